import type { Condition } from './acceptor.ts'
import { type Bounds, defaultBounds } from './bounds.ts'
import { Listener, type ListenerStatus } from './listener.ts'
import type { HealthChange, ListenerRow } from './listener-row.ts'
import { ProbeSlots } from './monitor.ts'

export interface BalancerOptions {
  /** Called with the transitions of one turn of the event loop, in their order. */
  readonly onHealth: (changes: readonly HealthChange[]) => void
  /** Bounds other than the defaults. */
  readonly bounds?: Partial<Bounds>
}

export interface ListenerChange {
  readonly key: string
  /** Null takes the listener away. */
  readonly row: ListenerRow | null
}

/** The balancer data plane: makes the sockets of this process look like a table of listeners. */
export class Balancer {
  readonly #bounds: Bounds
  readonly #onHealth: (changes: readonly HealthChange[]) => void
  readonly #slots: ProbeSlots
  readonly #listeners = new Map<string, Listener>()
  readonly #leaving = new Set<Promise<void>>()
  #changes: HealthChange[] = []
  #applied: Promise<void> = Promise.resolve()
  readonly #refused = new Set<string>()
  #closed = false

  constructor(options: BalancerOptions) {
    this.#bounds = Object.freeze({ ...defaultBounds, ...options.bounds })
    this.#onHealth = options.onHealth
    const { probesMax, listenersMax, membersMax } = this.#bounds
    this.#slots = new ProbeSlots(probesMax, listenersMax * membersMax, 60_000)
  }

  /**
   * Reconciles with these rows; the same rows again change nothing. Calls take effect in their order. Ends when each
   * listener has tried to bind; a bind that failed shows in `status()` and is tried again.
   */
  apply(changes: readonly ListenerChange[]): Promise<void> {
    this.#applied = this.#applied.catch(() => undefined).then(() => this.#apply(changes))
    return this.#applied
  }

  /** By key. */
  status(): ReadonlyMap<string, ListenerStatus> {
    return new Map([...this.#listeners].map(([key, listener]) => [key, listener.status()]))
  }

  /** Conditions of the balancer as a whole. */
  conditions(): readonly Condition[] {
    if (this.#refused.size === 0) return []
    const reason = `${this.#refused.size} listeners are above the ${this.#bounds.listenersMax} of one balancer`
    return [{ code: 'TOO_MANY_LISTENERS', reason }]
  }

  /** Stops listening, lets connections end within the grace time, then cuts them. */
  async close(): Promise<void> {
    await this.#applied
    this.#closed = true
    for (const [key, listener] of this.#listeners) this.#leave(key, listener)
    await Promise.all(this.#leaving)
  }

  async #apply(changes: readonly ListenerChange[]): Promise<void> {
    if (this.#closed) return
    const touched = new Set<Listener>()
    // All addresses are given back before any is taken, so that listeners may swap theirs.
    for (const { key, row } of changes) {
      const known = this.#listeners.get(key)
      if (row === null) {
        this.#refused.delete(key)
        if (known !== undefined) this.#leave(key, known)
        continue
      }
      const listener = known ?? this.#create(key, row)
      if (listener === null) continue
      listener.apply(row)
      touched.add(listener)
    }
    await Promise.all([...touched].map((listener) => listener.bind()))
  }

  #create(key: string, row: ListenerRow): Listener | null {
    if (this.#listeners.size >= this.#bounds.listenersMax) {
      this.#refused.add(key)
      return null
    }
    const listener = new Listener(row, this.#bounds, this.#slots, (change) => this.#report(change))
    this.#listeners.set(key, listener)
    this.#refused.delete(key)
    return listener
  }

  #leave(key: string, listener: Listener): void {
    this.#listeners.delete(key)
    const leaving = listener.close().finally(() => this.#leaving.delete(leaving))
    this.#leaving.add(leaving)
  }

  #report(change: HealthChange): void {
    this.#changes.push(change)
    if (this.#changes.length > 1) return
    setImmediate(() => {
      const changes = this.#changes
      this.#changes = []
      this.#onHealth(changes)
    })
  }
}
