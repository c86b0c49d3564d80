import type { Rejection } from './rejection.ts'
import { undo, type Write } from './table.ts'

/** Decisions that wait for their commit, at most. */
const COUNT_MAX = 4096
const BYTES_MAX = 32 << 20

/** Who is told what becomes of a decision, at once: within the apply loop, so it must be quick and must not throw. */
export interface Settled {
  committed(result: Readonly<Record<string, unknown>>, revision: number): void
  undone(why: Rejection): void
}

/** A decision that is evolved into the state, and not yet committed. */
export class Pending {
  readonly revision: number
  readonly term: number
  /** The entry's, in milliseconds since 1970. */
  readonly time: number
  readonly payload: Uint8Array
  readonly writes: readonly Write[]
  #fate: 'open' | 'committed' | Rejection = 'open'
  #settled: Settled | undefined
  #result: Readonly<Record<string, unknown>> | undefined
  #committed: PromiseWithResolvers<void> | undefined

  constructor(
    place: { readonly revision: number; readonly term: number; readonly time: number },
    payload: Uint8Array,
    writes: readonly Write[],
  ) {
    this.revision = place.revision
    this.term = place.term
    this.time = place.time
    this.payload = payload
    this.writes = writes
  }

  /** Resolves once it is committed and applied; rejects with a Rejection once it is undone. */
  get committed(): Promise<void> {
    if (this.#committed === undefined) {
      this.#committed = Promise.withResolvers<void>()
      this.#committed.promise.catch(() => undefined)
      if (this.#fate === 'committed') this.#committed.resolve()
      else if (this.#fate !== 'open') this.#committed.reject(this.#fate)
    }
    return this.#committed.promise
  }

  /** As `committed`, told at once, with the answer that waits for it. To be called once, before it is settled. */
  tell(settled: Settled, result: Readonly<Record<string, unknown>>): void {
    this.#settled = settled
    this.#result = result
  }

  commit(): void {
    this.#fate = 'committed'
    this.#committed?.resolve()
    if (this.#settled !== undefined && this.#result !== undefined)
      this.#settled.committed(this.#result, this.revision)
  }

  undo(why: Rejection): void {
    undo(this.writes)
    this.#fate = why
    this.#committed?.reject(why)
    this.#settled?.undone(why)
  }
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

  /** The newest. */
  get last(): Pending | undefined {
    return this.#head < this.#pending.length ? this.#pending.at(-1) : undefined
  }

  /** The decision at a revision; undefined when it is not in flight. */
  at(revision: number): Pending | undefined {
    const { first } = this
    return first === undefined ? undefined : this.#pending[this.#head + revision - first.revision]
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

  /** Undoes every decision from a revision on, newest first. */
  undoFrom(revision: number, why: Rejection): void {
    for (let { last } = this; last !== undefined && last.revision >= revision; last = this.last) {
      this.#pending.pop()
      this.#bytes -= last.payload.length
      last.undo(why)
    }
  }
}
