import { randomUUID } from 'node:crypto'
import type { Subscription } from 'rxjs'
import { type Entry, type Leadership, type Log, LogError } from '../../log/log.ts'
import type { Actor } from './domain.ts'
import { Engine } from './engine.ts'
import { Heartbeats } from './heartbeats.ts'
import { InFlight, type Pending } from './in_flight.ts'
import { ProcessRunner } from './process_runner.ts'
import { type DecisionRecord, decodeRecord, encodeRecord, type LogRecord } from './record.ts'
import type { Registry } from './registry.ts'
import { type Code, Rejection } from './rejection.ts'
import { type Applied, RowStore } from './row_store.ts'
import { undo, type Write } from './table.ts'

/** One decision's bytes, at most. */
const ENTRY_BYTES_MAX = 1 << 20
const BARRIER_TIMEOUT_MS = 10_000

export interface SubmitRequest {
  readonly type: string
  readonly data: unknown
  readonly actor: Actor
  readonly commandId: string
  readonly ifRevision?: number | undefined
  readonly dryRun?: boolean | undefined
  readonly cause?: string | undefined
}

export interface SubmitReply {
  /** The log index of the entry; for a dry run the one it would have had. */
  readonly revision: number
  readonly history: string
  readonly result: Readonly<Record<string, unknown>>
  /** True when the command had been accepted before, and this is its answer again. */
  readonly duplicate: boolean
  /** The decision; undefined for a duplicate. */
  readonly record: DecisionRecord | undefined
}

export interface PlatformOptions {
  readonly log: Log
  readonly registry: Registry
  /** Where the rows live. */
  readonly directory: string
  /** The replica cannot go on: its disk failed, or the log holds what this build does not know. */
  readonly onFatal: (error: Error) => void
  /** Milliseconds since 1970. */
  readonly clock?: () => number
}

/**
 * Hears of every applied entry in order, with the rows it wrote, before and after. Called synchronously: it must be quick,
 * and must not throw.
 */
export type AppliedListener = (writes: readonly Write[], applied: Applied) => void

/** A member's write side: decides on the leader, evolves on every member, and keeps the rows on disk. */
export class Platform {
  readonly engine: Engine
  readonly heartbeats: Heartbeats
  /** Why the rows on disk were thrown away and made anew; undefined when they were sound. */
  readonly repaired: string | undefined
  /** The revision of the rows on disk at the start: only what came after was replayed. */
  readonly resumedRevision: number
  readonly #log: Log
  readonly #rows: RowStore
  readonly #onFatal: (error: Error) => void
  readonly #clock: () => number
  readonly #processes: ProcessRunner
  readonly #subscription: Subscription
  readonly #unfollow: () => void
  readonly #inFlight = new InFlight()
  readonly #waiters = new Set<{ revision: number; resolve: () => void }>()
  readonly #listeners = new Set<AppliedListener>()
  #unproposed: Pending[] = []
  #leading: { readonly term: number; next: number } | undefined
  #leadership: Leadership = { term: 0, leader: 0, ready: false }
  #applied: Applied
  #lastTime: number
  #closed = false

  static async open(options: PlatformOptions): Promise<Platform> {
    const engine = new Engine(options.registry)
    const { store, applied, repaired } = await RowStore.open(options.directory, engine.state, options.onFatal)
    return new Platform(options, engine, store, applied, repaired)
  }

  private constructor(
    options: PlatformOptions,
    engine: Engine,
    rows: RowStore,
    applied: Applied,
    repaired: string | undefined,
  ) {
    this.engine = engine
    this.repaired = repaired
    this.resumedRevision = applied.revision
    this.#log = options.log
    this.#rows = rows
    this.#onFatal = options.onFatal
    this.#clock = options.clock ?? Date.now
    this.#applied = applied
    this.#lastTime = applied.time
    this.heartbeats = new Heartbeats(this.#clock)
    this.#processes = new ProcessRunner(this, this.#clock)
    this.#unfollow = this.#log.follow(applied.revision + 1, (entries) => this.#deliver(entries))
    this.#subscription = this.#log.leadership.subscribe((leadership) => this.#onLeadership(leadership))
  }

  /** The last log index whose entry is in the state for good. */
  get applied(): Applied {
    return this.#applied
  }

  /** From the next applied entry on. The returned function ends it. */
  onApplied(listener: AppliedListener): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  /** The revision of the newest decision that the state shows: committed, or this leader's own in flight. */
  get decidedRevision(): number {
    return this.#leading === undefined ? this.#applied.revision : this.#leading.next - 1
  }

  get leading(): boolean {
    return this.#leading !== undefined && this.engine.history !== undefined
  }

  get history(): string {
    return this.engine.history?.history ?? ''
  }

  /** What the processes' last refused draft was, by process. */
  get processProblems(): ReadonlyMap<string, string> {
    return this.#processes.problems
  }

  /**
   * Decides a command, and replies once it is committed. Throws Rejection; OUTCOME_UNKNOWN means that it may or may not happen,
   * and that a retry with the same command id is safe.
   */
  async submit(request: SubmitRequest): Promise<SubmitReply> {
    const leading = this.#requireLeading()
    if (this.#inFlight.full)
      throw new Rejection('OVERLOADED', 'too many commands are waiting for the log: try again later')
    const place = { revision: leading.next, now: Math.max(this.#lastTime, this.#clock()), seed: randomUUID() }
    const command = { ...request, commandId: request.dryRun === true ? '' : request.commandId }
    let duplicate: { revision: number; result: Readonly<Record<string, unknown>> }
    try {
      if (request.dryRun === true) {
        const record = this.engine.dryRun(command, place)
        await this.barrier()
        return {
          revision: place.revision,
          history: this.history,
          result: record.result,
          duplicate: false,
          record,
        }
      }
      const savepoint = this.engine.state.journal.savepoint()
      const outcome = this.engine.decide(command, place)
      if (outcome.kind === 'decided') {
        const payload = encodeRecord(outcome.record)
        if (payload.length > ENTRY_BYTES_MAX) {
          this.engine.state.journal.rollback(savepoint)
          throw new Rejection(
            'TOO_LARGE',
            `the decision takes ${payload.length} bytes; ${ENTRY_BYTES_MAX} are the bound: do it in parts`,
          )
        }
        await this.#append(leading, outcome.record, payload)
        return {
          revision: place.revision,
          history: this.history,
          result: outcome.result,
          duplicate: false,
          record: outcome.record,
        }
      }
      duplicate = outcome
    } catch (error) {
      if (error instanceof Rejection && error.code !== 'OUTCOME_UNKNOWN') await this.barrier()
      throw error
    }
    await this.barrier()
    return {
      revision: duplicate.revision,
      history: this.history,
      result: duplicate.result,
      duplicate: true,
      record: undefined,
    }
  }

  /** Resolves with a revision once this member still leads and has applied everything committed before the call (ReadIndex, Raft §6.4). */
  async barrier(): Promise<number> {
    const decided = this.#leading === undefined ? 0 : this.decidedRevision
    try {
      const index = Math.max(await this.#log.readIndex(), decided)
      await this.whenApplied(index, BARRIER_TIMEOUT_MS)
      return index
    } catch (error) {
      throw asRejection(error)
    }
  }

  /** Resolves once the revision is applied. Rejects with TIMEOUT after so many milliseconds. */
  whenApplied(revision: number, timeoutMilliseconds: number): Promise<void> {
    if (this.#applied.revision >= revision) return Promise.resolve()
    return new Promise((resolve, reject) => {
      const waiter = { revision, resolve: () => (clearTimeout(timer), resolve()) }
      const timer = setTimeout(() => {
        this.#waiters.delete(waiter)
        reject(
          new Rejection(
            'TIMEOUT',
            `revision ${revision} was not applied in ${timeoutMilliseconds} ms; this member is at ${this.#applied.revision}`,
          ),
        )
      }, timeoutMilliseconds)
      this.#waiters.add(waiter)
    })
  }

  /** Stops deciding and applying, and writes the rows. The log is the caller's to close. */
  async close(): Promise<void> {
    this.#closed = true
    this.#processes.stop()
    this.#subscription.unsubscribe()
    this.#abdicate()
    this.#unfollow()
    await this.#rows.close()
  }

  #requireLeading(): { readonly term: number; next: number } {
    if (this.#closed) throw new Rejection('UNAVAILABLE', 'this member is stopping')
    if (this.#leading === undefined || this.engine.history === undefined) {
      throw new Rejection('NOT_LEADER', 'this member does not lead: ask the leader', {
        leader: this.#log.status().leader,
      })
    }
    return this.#leading
  }

  #append(
    leading: { readonly term: number; next: number },
    record: LogRecord,
    payload: Uint8Array,
  ): Promise<void> {
    const writes = this.engine.state.journal.take()
    const revision = leading.next++
    this.#lastTime = record.time
    if (this.#unproposed.length === 0) setImmediate(() => this.#propose())
    return new Promise((resolve, reject) => {
      const pending = { revision, term: leading.term, time: record.time, payload, writes, resolve, reject }
      this.#inFlight.push(pending)
      this.#unproposed.push(pending)
    })
  }

  #propose(): void {
    const batch = this.#unproposed
    this.#unproposed = []
    const [first] = batch
    if (first === undefined || this.#leading === undefined) return
    const payloads = batch.map(({ payload }) => payload)
    try {
      this.#log
        .propose({ term: first.term, firstIndex: first.revision, payloads })
        .catch((error: unknown) => {
          if (this.#leading?.term === first.term) this.#abdicate(error)
        })
    } catch (error) {
      if (error instanceof LogError && error.code === 'OVERLOADED') this.#withdraw(batch, asRejection(error))
      else this.#abdicate(error)
    }
  }

  /** Takes back the newest decisions, which the log has refused. */
  #withdraw(batch: readonly Pending[], why: Rejection): void {
    for (const pending of [...batch, ...this.#unproposed].reverse()) {
      undo(pending.writes)
      this.#inFlight.pop(pending)
      pending.reject(why)
    }
    this.#unproposed = []
    if (this.#leading !== undefined) this.#leading.next = (batch[0] as Pending).revision
  }

  #onLeadership(leadership: Leadership): void {
    this.#leadership = leadership
    if (this.#leading !== undefined && (!leadership.ready || leadership.term !== this.#leading.term))
      this.#abdicate()
    this.#tryToLead()
  }

  /** Decides from here on, once this member leads and has applied all that its log holds. */
  #tryToLead(): void {
    const { memberId, lastIndex } = this.#log.status()
    const { term, ready, leader } = this.#leadership
    if (!ready || leader !== memberId || this.#leading !== undefined || this.#closed) return
    if (lastIndex !== this.#applied.revision) return
    this.#leading = { term, next: lastIndex + 1 }
    this.heartbeats.begin()
    this.#processes.start()
    if (this.engine.history === undefined) this.#beginHistory(this.#leading)
  }

  #beginHistory(leading: { readonly term: number; next: number }): void {
    const record: LogRecord = {
      kind: 'history',
      time: Math.max(this.#lastTime, this.#clock()),
      history: randomUUID(),
      parent: '',
      parentRevision: 0,
    }
    const revision = leading.next
    this.engine.apply(record, revision)
    this.#append(leading, record, encodeRecord(record)).catch(() => undefined)
  }

  /** Undoes every decision in flight: whether the log keeps them is no longer this member's to say. */
  #abdicate(cause?: unknown): void {
    if (this.#leading === undefined) return
    this.#leading = undefined
    this.#unproposed = []
    this.#processes.stop()
    const why = cause instanceof LogError ? `: ${cause.message}` : ''
    for (const pending of this.#inFlight.drainNewestFirst()) {
      undo(pending.writes)
      pending.reject(
        new Rejection(
          'OUTCOME_UNKNOWN',
          `leadership was lost before the command was committed${why}: retry with the same command id`,
        ),
      )
    }
    this.#lastTime = this.#applied.time
  }

  #deliver(entries: readonly Entry[]): void {
    try {
      for (const entry of entries) this.#applyEntry(entry)
    } catch (error) {
      this.#unfollow()
      this.#onFatal(error instanceof Error ? error : new Error(String(error)))
      return
    }
    for (const waiter of this.#waiters) {
      if (waiter.revision > this.#applied.revision) continue
      this.#waiters.delete(waiter)
      waiter.resolve()
    }
    this.#tryToLead()
    if (this.#leading !== undefined) this.#processes.wake()
  }

  #applyEntry(entry: Entry): void {
    if (entry.index !== this.#applied.revision + 1)
      throw new Error(`entry ${entry.index} was delivered after ${this.#applied.revision}`)
    const decided = this.#inFlight.first
    if (decided !== undefined && decided.revision === entry.index && decided.term === entry.term) {
      this.#inFlight.shift()
      this.#applied = { revision: entry.index, time: decided.time }
      this.#applyWrites(decided.writes)
      decided.resolve()
      return
    }
    this.#abdicate()
    if (entry.kind === 'noop') {
      this.#applied = { revision: entry.index, time: this.#applied.time }
      this.#applyWrites([])
      return
    }
    const record = decodeRecord(entry.payload)
    this.engine.apply(record, entry.index)
    this.#applied = { revision: entry.index, time: record.time }
    this.#lastTime = record.time
    this.#applyWrites(this.engine.state.journal.take())
  }

  #applyWrites(writes: readonly Write[]): void {
    this.#rows.write(writes, this.#applied)
    for (const listener of this.#listeners) listener(writes, this.#applied)
  }
}

const logCodes: Readonly<Record<LogError['code'], Code>> = {
  NOT_LEADER: 'NOT_LEADER',
  OUTCOME_UNKNOWN: 'OUTCOME_UNKNOWN',
  FENCED: 'NOT_LEADER',
  OVERLOADED: 'OVERLOADED',
  TOO_LARGE: 'TOO_LARGE',
  TIMEOUT: 'TIMEOUT',
  CLOSED: 'UNAVAILABLE',
  STORAGE: 'UNAVAILABLE',
}

function asRejection(error: unknown): Rejection {
  if (error instanceof Rejection) return error
  if (error instanceof LogError) return new Rejection(logCodes[error.code], error.message)
  return new Rejection('INTERNAL', error instanceof Error ? error.message : String(error))
}
