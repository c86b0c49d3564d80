import { randomUUID } from 'node:crypto'
import type { Subscription } from 'rxjs'
import { type Entry, type Leadership, type Log, LogError } from '../../log/log.ts'
import type { Actor } from './domain.ts'
import { Engine, type Outcome } from './engine.ts'
import { Heartbeats } from './heartbeats.ts'
import type { Pending } from './in_flight.ts'
import { asRejection } from './log_rejection.ts'
import { NO_ORIGIN, OriginCheck, OtherLogError } from './origin.ts'
import { ProcessRunner } from './process_runner.ts'
import { Proposer } from './proposer.ts'
import { type DecisionRecord, decodeRecord, encodeRecord, type LogRecord } from './record.ts'
import type { Registry } from './registry.ts'
import { Rejection } from './rejection.ts'
import { type Applied, type OpenedRows, RowStore } from './row_store.ts'
import type { Write } from './table.ts'
import { Waiters } from './waiters.ts'

/** One decision's bytes, at most. */
const ENTRY_BYTES_MAX = 1 << 20
const BARRIER_TIMEOUT_MS = 10_000
const GENESIS_RETRY_MS = 100

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
 * Hears of every applied entry in order, with the rows it wrote, before and after. Called within the apply loop: it must be quick,
 * and must not throw.
 */
export type AppliedListener = (writes: readonly Write[], applied: Applied) => void

/** A member's write side: decides on the leader, evolves on every member, and keeps the rows on disk. */
export class Platform {
  readonly engine: Engine
  readonly heartbeats: Heartbeats
  readonly #log: Log
  readonly #rows: RowStore
  readonly #onFatal: (error: Error) => void
  readonly #clock: () => number
  readonly #processes: ProcessRunner
  readonly #proposer: Proposer
  readonly #waiters: Waiters
  readonly #subscription: Subscription
  readonly #listeners = new Set<AppliedListener>()
  #check: OriginCheck
  #unfollow: () => void
  #repaired: string | undefined
  #resumedRevision: number
  #leadership: Leadership = { term: 0, leader: 0, ready: false }
  #applied: Applied
  /** No entry may have an earlier time. */
  #lastTime: number
  #closed = false

  static async open(options: PlatformOptions): Promise<Platform> {
    const engine = new Engine(options.registry)
    const rows = await RowStore.open(options.directory, engine.state, options.onFatal)
    return new Platform(options, engine, rows)
  }

  private constructor(options: PlatformOptions, engine: Engine, rows: OpenedRows) {
    const { log, onFatal, clock = Date.now } = options
    const { applied, origin } = rows
    this.engine = engine
    this.#repaired = rows.repaired
    this.#resumedRevision = applied.revision
    this.#log = log
    this.#rows = rows.store
    this.#onFatal = onFatal
    this.#clock = clock
    this.#applied = applied
    this.#lastTime = applied.time
    this.#waiters = new Waiters(applied.revision)
    this.heartbeats = new Heartbeats(clock)
    this.#processes = new ProcessRunner(this, clock)
    this.#proposer = new Proposer(log, (error) => this.#onLost(error))
    try {
      this.#check = new OriginCheck(origin, applied.revision, log.status().lastIndex)
    } catch (error) {
      if (!(error instanceof OtherLogError)) throw error
      this.#check = this.#beginAnew(error)
    }
    this.#unfollow = this.#follow()
    this.#subscription = log.leadership.subscribe((leadership) => this.#onLeadership(leadership))
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

  get leading(): boolean {
    return this.#proposer.leading !== undefined && this.engine.history !== undefined
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
    const revision = this.#nextRevision()
    const dryRun = request.dryRun === true
    const place = { revision, now: Math.max(this.#lastTime, this.#clock()), seed: randomUUID() }
    const seen = this.#proposer.inFlight.last
    const decided = this.#decide(request, place)
    if (decided instanceof Rejection) {
      await this.#cameTrue(seen)
      throw decided
    }
    const { outcome, pending } = decided
    if (outcome.kind === 'duplicate') {
      await this.#cameTrueAgain(outcome.revision)
      return {
        revision: outcome.revision,
        history: this.history,
        result: outcome.result,
        duplicate: true,
        record: undefined,
      }
    }
    if (dryRun) await this.#cameTrue(seen)
    else await pending?.committed
    const { record, result } = outcome
    return { revision, history: this.history, result, duplicate: false, record }
  }

  /** The index of the next decision. Rejects when this member does not decide. */
  #nextRevision(): number {
    if (this.#closed) throw new Rejection('UNAVAILABLE', 'this member is stopping')
    const { leading, inFlight } = this.#proposer
    if (leading === undefined || this.engine.history === undefined) {
      throw new Rejection('NOT_LEADER', 'this member does not lead: ask the leader', {
        leader: this.#log.status().leader,
      })
    }
    if (inFlight.full)
      throw new Rejection('OVERLOADED', 'too many commands are waiting for the log: try again later')
    return leading.next
  }

  /** Decides, and puts what is decided in flight; a dry run leaves no trace. Returns the rejection, if it comes to that. */
  #decide(
    request: SubmitRequest,
    place: { readonly revision: number; readonly now: number; readonly seed: string },
  ): Rejection | { readonly outcome: Outcome; readonly pending: Pending | undefined } {
    const { journal } = this.engine.state
    const savepoint = journal.savepoint()
    try {
      if (request.dryRun === true) {
        const record = this.engine.dryRun({ ...request, commandId: '' }, place)
        encodeDecision(record)
        return { outcome: { kind: 'decided', record, result: record.result }, pending: undefined }
      }
      const outcome = this.engine.decide(request, place)
      return {
        outcome,
        pending:
          outcome.kind === 'decided'
            ? this.#append(outcome.record, encodeDecision(outcome.record))
            : undefined,
      }
    } catch (error) {
      journal.rollback(savepoint)
      return asRejection(error)
    }
  }

  #append(record: LogRecord, payload: Uint8Array): Pending {
    this.#lastTime = record.time
    return this.#proposer.append(record.time, payload, this.engine.state.journal.take())
  }

  /**
   * Resolves once what an answer was made of has come true: the decisions in flight that it could have seen are committed, and this
   * member led still (ReadIndex, Raft §6.4). Rejects when it has not: then nothing may be said but to ask again.
   */
  async #cameTrue(seen: Pending | undefined): Promise<void> {
    try {
      await Promise.all([this.#log.readIndex(), seen?.committed])
    } catch (error) {
      const why = asRejection(error)
      if (why.code !== 'OUTCOME_UNKNOWN') throw why
      throw new Rejection('NOT_LEADER', 'leadership was lost before the answer was certain: ask the leader')
    }
  }

  /** As `#cameTrue`, for the answer that an earlier submission of the same command got or will get. */
  async #cameTrueAgain(revision: number): Promise<void> {
    const first = this.#proposer.inFlight.at(revision)
    try {
      await this.#cameTrue(first)
    } catch (error) {
      if (first === undefined || !(error instanceof Rejection) || error.code === 'OVERLOADED') throw error
      const text = `whether the first submission was committed is not known: ${error.message}; retry with the same command id`
      throw new Rejection('OUTCOME_UNKNOWN', text)
    }
  }

  /** Whether the state shows decisions that are not committed yet. */
  get ahead(): boolean {
    return this.#proposer.inFlight.last !== undefined
  }

  /** Resolves once all that the state shows at the call is committed, and this member led still: what was read of it may be told. */
  confirmed(): Promise<void> {
    return this.#cameTrue(this.#proposer.inFlight.last)
  }

  /** From the next applied entry on. The returned function ends it. */
  onApplied(listener: AppliedListener): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  /** Resolves with a revision once this member still leads and has applied everything committed before the call (ReadIndex, Raft §6.4). */
  async barrier(): Promise<number> {
    const seen = this.#proposer.inFlight.last
    const reading = this.#log.readIndex().catch((error: unknown) => {
      throw asRejection(error)
    })
    const [index] = await Promise.all([reading, this.#cameTrue(seen)])
    await this.whenApplied(index, BARRIER_TIMEOUT_MS)
    return Math.max(index, seen?.revision ?? 0)
  }

  /** Resolves once the revision is applied. Rejects with TIMEOUT after so many milliseconds. */
  whenApplied(revision: number, timeoutMilliseconds: number): Promise<void> {
    return this.#waiters.wait(revision, timeoutMilliseconds)
  }

  /** Stops deciding and applying, and writes the rows. The log is the caller's to close. */
  async close(): Promise<void> {
    this.#closed = true
    this.#processes.stop()
    this.#subscription.unsubscribe()
    this.#abdicate()
    this.#unfollow()
    this.#waiters.close(new Rejection('UNAVAILABLE', 'this member is stopping'))
    await this.#rows.close()
  }

  #onLeadership(leadership: Leadership): void {
    this.#leadership = leadership
    const { leading } = this.#proposer
    if (leading !== undefined && (!leadership.ready || leadership.term !== leading.term)) this.#abdicate()
    this.#tryToLead()
  }

  /** Decides from here on, once this member leads and has applied all that its log holds. */
  #tryToLead(): void {
    const { memberId, lastIndex } = this.#log.status()
    const { term, ready, leader } = this.#leadership
    if (!ready || leader !== memberId || this.#proposer.leading !== undefined || this.#closed) return
    if (lastIndex !== this.#applied.revision || !this.#check.done) return
    this.#proposer.begin(term, lastIndex + 1)
    this.heartbeats.begin()
    this.#processes.start()
    this.#beginHistory(term)
  }

  /** The first history begins with the first leader. */
  #beginHistory(term: number): void {
    const { leading } = this.#proposer
    if (leading?.term !== term || this.engine.history !== undefined) return
    const record: LogRecord = {
      kind: 'history',
      time: Math.max(this.#lastTime, this.#clock()),
      history: randomUUID(),
      parent: '',
      parentRevision: 0,
    }
    this.engine.apply(record, leading.next)
    this.#append(record, encodeRecord(record)).committed.catch(() => {
      setTimeout(() => this.#beginHistory(term), GENESIS_RETRY_MS).unref()
    })
  }

  /** The log has refused or lost a proposal. While this member leads it goes on as soon as it has applied all that is in the log. */
  #onLost(error: unknown): void {
    this.#abdicate(error)
    if (error instanceof LogError && (error.code === 'CLOSED' || error.code === 'STORAGE')) return
    setImmediate(() => this.#tryToLead())
  }

  #abdicate(cause?: unknown): void {
    if (!this.#proposer.end(cause instanceof LogError ? `: ${cause.message}` : '')) return
    this.#processes.stop()
    this.#lastTime = this.#applied.time
  }

  #follow(): () => void {
    return this.#log.follow(this.#check.from, (entries) => this.#deliver(entries))
  }

  #deliver(delivered: readonly Entry[]): void {
    try {
      for (const entry of this.#check.after(delivered)) this.#apply(entry)
    } catch (error) {
      this.#unfollow()
      if (error instanceof OtherLogError) {
        this.#check = this.#beginAnew(error)
        this.#unfollow = this.#follow()
        return
      }
      this.engine.state.journal.rollback(0)
      const { message } = error as Error
      this.#onFatal(
        new Error(`entry ${this.#applied.revision + 1} cannot be applied: ${message}`, { cause: error }),
      )
    }
    this.#waiters.reached(this.#applied.revision)
    this.#tryToLead()
    if (this.#proposer.leading !== undefined) this.#processes.wake()
  }

  /** Throws every row away, in memory and on disk: the log is followed from its first entry. */
  #beginAnew(why: Error): OriginCheck {
    this.#repaired = why.message
    this.#resumedRevision = 0
    this.engine.state.clear()
    this.#rows.clear()
    this.#applied = { revision: 0, time: 0 }
    this.#lastTime = 0
    this.#waiters.reached(0)
    return new OriginCheck(NO_ORIGIN, 0, 0)
  }

  #apply(entry: Entry): void {
    const { index, kind, payload } = entry
    if (index !== this.#applied.revision + 1)
      throw new Error(`entry ${index} was delivered after ${this.#applied.revision}`)
    const decided = this.#proposer.take(entry)
    if (decided !== undefined) {
      this.#applied = { revision: index, time: decided.time }
      this.#written(decided.writes, payload)
      decided.commit()
      return
    }
    this.#abdicate()
    if (kind === 'noop') {
      this.#applied = { revision: index, time: this.#applied.time }
      this.#written([], null)
      return
    }
    const record = decodeRecord(payload)
    this.engine.apply(record, index)
    this.#applied = { revision: index, time: record.time }
    this.#lastTime = record.time
    this.#written(this.engine.state.journal.take(), payload)
  }

  #written(writes: readonly Write[], payload: Uint8Array | null): void {
    this.#rows.write(writes, this.#applied, payload)
    for (const listener of this.#listeners) listener(writes, this.#applied)
  }
}

/** Rejects with TOO_LARGE. */
function encodeDecision(record: DecisionRecord): Uint8Array {
  const payload = encodeRecord(record)
  if (payload.length > ENTRY_BYTES_MAX) {
    const text = `the decision takes ${payload.length} bytes; ${ENTRY_BYTES_MAX} are the bound: do it in parts`
    throw new Rejection('TOO_LARGE', text)
  }
  return payload
}
