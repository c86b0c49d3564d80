import type { Write } from './table.ts'

/** Decisions that wait for their commit, at most. */
const COUNT_MAX = 4096
const BYTES_MAX = 32 << 20

/** A decision that is evolved into the state, and not yet committed. */
export interface Pending {
  readonly revision: number
  readonly term: number
  readonly time: number
  readonly payload: Uint8Array
  readonly writes: readonly Write[]
  readonly resolve: () => void
  readonly reject: (error: Error) => void
}

/** The decisions in flight, oldest first, with a bound. */
export class InFlight {
  #pending: Pending[] = []
  #head = 0
  #bytes = 0

  get full(): boolean {
    return this.#pending.length - this.#head >= COUNT_MAX || this.#bytes >= BYTES_MAX
  }

  get first(): Pending | undefined {
    return this.#pending[this.#head]
  }

  push(pending: Pending): void {
    this.#pending.push(pending)
    this.#bytes += pending.payload.length
  }

  /** Takes the oldest out. */
  shift(): void {
    this.#bytes -= (this.#pending[this.#head] as Pending).payload.length
    this.#head++
    if (this.#head < 1024 && this.#head < this.#pending.length) return
    this.#pending = this.#pending.slice(this.#head)
    this.#head = 0
  }

  /** Takes the newest out, which must be this one. */
  pop(pending: Pending): void {
    if (this.#pending.at(-1) !== pending)
      throw new Error(`revision ${pending.revision} is not the newest in flight`)
    this.#pending.pop()
    this.#bytes -= pending.payload.length
  }

  /** Takes all out. */
  drainNewestFirst(): readonly Pending[] {
    const drained = this.#pending.slice(this.#head).reverse()
    this.#pending = []
    this.#head = 0
    this.#bytes = 0
    return drained
  }
}
