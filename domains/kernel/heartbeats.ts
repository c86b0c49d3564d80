/** A realizer that is not heard of for this long is forgotten. */
const FORGET_MS = 24 * 60 * 60_000
const REALIZERS_MAX = 10_000

export interface Heartbeat {
  /** `host/<uid>`, `dns/<node>`, `balancer/<node>`. */
  readonly realizer: string
  /** The realizer has done everything up to this revision, or reported why not. */
  readonly realizedRevision: number
  readonly history: string
}

export interface Beat extends Heartbeat {
  /** Milliseconds since 1970. */
  readonly at: number
}

/** When each realizer was last heard of, and how far it is: in the leader's memory, never in the log. */
export class Heartbeats {
  readonly #clock: () => number
  readonly #beats = new Map<string, Beat>()
  readonly #listeners = new Set<() => void>()
  #since = 0

  constructor(clock: () => number) {
    this.#clock = clock
  }

  /** A leader's term begins: what was heard before says nothing of now. */
  begin(): void {
    this.#since = this.#clock()
    this.#beats.clear()
  }

  /** Milliseconds since 1970. */
  get since(): number {
    return this.#since
  }

  /** Takes a heartbeat; false when there are too many realizers. */
  record(heartbeat: Heartbeat): boolean {
    const at = this.#clock()
    if (!this.#beats.has(heartbeat.realizer) && this.#beats.size >= REALIZERS_MAX) {
      for (const [realizer, beat] of this.#beats) if (at - beat.at > FORGET_MS) this.#beats.delete(realizer)
      if (this.#beats.size >= REALIZERS_MAX) return false
    }
    this.#beats.set(heartbeat.realizer, { ...heartbeat, at })
    for (const listener of this.#listeners) listener()
    return true
  }

  /** Calls back after each heartbeat, until the returned function is called. */
  onBeat(listener: () => void): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  of(realizer: string): Beat | undefined {
    return this.#beats.get(realizer)
  }

  all(): readonly Beat[] {
    return [...this.#beats.values()]
  }
}
