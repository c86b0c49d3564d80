import type { Entry, Log } from '../../log/log.ts'
import type { Engine } from './engine.ts'
import type { Pending } from './in_flight.ts'
import { NO_ORIGIN, OriginCheck, OtherLogError } from './origin.ts'
import { decodeRecord } from './record.ts'
import { Rejection } from './rejection.ts'
import type { Applied, OpenedRows, RowStore } from './row_store.ts'
import type { Write } from './table.ts'
import { Waiters } from './waiters.ts'

const SLICE_MS = 5

export interface ReplicaOptions {
  readonly log: Log
  /** Its state holds the rows from disk. */
  readonly engine: Engine
  readonly rows: OpenedRows
  /** The replica cannot go on: its disk failed, or the log holds what this build does not know. */
  readonly onFatal: (error: Error) => void
  /** The decision in flight that an entry is, which the state has evolved by; undefined for one of another leader. */
  readonly decided: (entry: Entry) => Pending | undefined
  /** An entry of another leader is about to be applied: nothing may be in flight. */
  readonly onForeign: () => void
  /** Something was applied. */
  readonly onApplied: () => void
}

/**
 * Hears of every applied entry in order, with the rows it wrote, before and after. Called within the apply loop: it must be quick,
 * and must not throw.
 */
export type AppliedListener = (writes: readonly Write[], applied: Applied) => void

/** A member's copy of the state: evolves it by every committed entry, and keeps its rows on disk. */
export class Replica {
  readonly #options: ReplicaOptions
  readonly #engine: Engine
  readonly #rows: RowStore
  readonly #waiters: Waiters
  #listeners: readonly AppliedListener[] = []
  #check: OriginCheck
  #unfollow: () => void = () => undefined
  #applied: Applied
  #repaired: string | undefined
  #resumedRevision: number
  #closed = false

  constructor(options: ReplicaOptions) {
    const { engine, log, rows } = options
    const { applied, origin, repaired, store } = rows
    this.#options = options
    this.#engine = engine
    this.#rows = store
    this.#applied = applied
    this.#repaired = repaired
    this.#resumedRevision = applied.revision
    this.#waiters = new Waiters(applied.revision)
    store.whenDamaged((error) => this.#repair(error))
    try {
      this.#check = new OriginCheck(origin, applied.revision, log.status().lastIndex)
    } catch (error) {
      if (!(error instanceof OtherLogError)) throw error
      this.#check = this.#beginAnew(error)
    }
  }

  /** Why the rows on disk were thrown away and made anew; undefined when they were sound. */
  get repaired(): string | undefined {
    return this.#repaired
  }

  /** The revision of the rows on disk at the start: only what came after was replayed. */
  get resumedRevision(): number {
    return this.#resumedRevision
  }

  /** The last log index whose entry is in the state for good. */
  get applied(): Applied {
    return this.#applied
  }

  /** The rows were found to be of this log. */
  get certain(): boolean {
    return this.#check.done
  }

  /** Applies what is committed, from here on. */
  follow(): void {
    this.#unfollow = this.#options.log.follow(this.#check.from, (entries) => this.#deliver(entries))
  }

  /** From the next applied entry on. The returned function ends it. */
  listen(listener: AppliedListener): () => void {
    this.#listeners = [...this.#listeners, listener]
    return () => {
      this.#listeners = this.#listeners.filter((other) => other !== listener)
    }
  }

  /** Resolves once the revision is applied. Rejects with TIMEOUT after so many milliseconds. */
  whenApplied(revision: number, timeoutMilliseconds: number): Promise<void> {
    return this.#waiters.wait(revision, timeoutMilliseconds)
  }

  /** Stops applying, and writes the rows. */
  async close(): Promise<void> {
    this.#closed = true
    this.#unfollow()
    this.#waiters.close(new Rejection('UNAVAILABLE', 'this member is stopping'))
    await this.#rows.close()
  }

  /** Returns how many were applied: some entries are much work, and in between others must have their turn. */
  #deliver(delivered: readonly Entry[]): number {
    const until = performance.now() + SLICE_MS
    let left = 0
    try {
      const entries = this.#check.after(delivered)
      left = entries.length
      for (const entry of entries) {
        this.#apply(entry)
        left--
        if (performance.now() > until) break
      }
    } catch (error) {
      this.#unfollow()
      if (error instanceof OtherLogError) {
        this.#check = this.#beginAnew(error)
        this.follow()
        return 0
      }
      this.#engine.state.journal.rollback(0)
      const { damage } = this.#rows
      if (damage !== undefined) {
        this.#repair(damage)
        return 0
      }
      const { message } = error as Error
      const text = `entry ${this.#applied.revision + 1} cannot be applied: ${message}`
      this.#options.onFatal(new Error(text, { cause: error }))
    }
    this.#waiters.reached(this.#applied.revision)
    this.#options.onApplied()
    return delivered.length - left
  }

  #apply(entry: Entry): void {
    const { index, kind, payload } = entry
    if (index !== this.#applied.revision + 1)
      throw new Error(`entry ${index} was delivered after ${this.#applied.revision}`)
    const decided = this.#options.decided(entry)
    if (decided !== undefined) {
      this.#applied = { revision: index, time: decided.time }
      try {
        this.#written(decided.writes, payload)
      } finally {
        decided.commit()
      }
      return
    }
    this.#options.onForeign()
    if (kind === 'noop') {
      this.#applied = { revision: index, time: this.#applied.time }
      this.#written([], null)
      return
    }
    const record = decodeRecord(payload)
    this.#engine.apply(record, index)
    this.#applied = { revision: index, time: record.time }
    this.#written(this.#engine.state.journal.take(), payload)
  }

  #written(writes: readonly Write[], payload: Uint8Array | null): void {
    this.#rows.write(writes, this.#applied, payload)
    for (const listener of this.#listeners) listener(writes, this.#applied)
  }

  /** Rows were read that are not what was written: all are made anew. What waits for a commit is told that it may yet come. */
  #repair(damage: Error): void {
    if (this.#closed) return
    this.#unfollow()
    this.#options.onForeign()
    this.#check = this.#beginAnew(damage)
    this.follow()
  }

  /** Throws every row away, in memory and on disk: the log is followed from its first entry. */
  #beginAnew(why: Error): OriginCheck {
    this.#repaired = why.message
    this.#resumedRevision = 0
    this.#engine.state.clear()
    this.#rows.clear()
    this.#applied = { revision: 0, time: 0 }
    this.#waiters.reached(0)
    return new OriginCheck(NO_ORIGIN, 0, 0)
  }
}
