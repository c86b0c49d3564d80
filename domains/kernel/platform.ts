import { randomUUID } from 'node:crypto'
import type { Subscription } from 'rxjs'
import { type Leadership, type Log, LogError } from '../../log/log.ts'
import type { Actor } from './domain.ts'
import { Engine, type Outcome } from './engine.ts'
import { Heartbeats } from './heartbeats.ts'
import type { Pending, Settled } from './in_flight.ts'
import { asRejection } from './log_rejection.ts'
import { ProcessRunner } from './process_runner.ts'
import { Proposer } from './proposer.ts'
import { type DecisionRecord, encodeRecord, type LogRecord } from './record.ts'
import type { Registry } from './registry.ts'
import { Rejection } from './rejection.ts'
import { type AppliedListener, Replica } from './replica.ts'
import { type Applied, type OpenedRows, RowStore } from './row_store.ts'

/** One decision's bytes, at most; and those of an internal contract: what etcd takes as 1.5 MiB can be six times as long in JSON. */
const ENTRY_BYTES_MAX = 1 << 20
const INTERNAL_ENTRY_BYTES_MAX = 10 << 20
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

/** A command that was looked at; what was decided may not be told yet. */
interface Begun {
  readonly revision: number
  /** The last decision that it could have seen. */
  readonly seen: Pending | undefined
  readonly decided: Rejection | { readonly outcome: Outcome; readonly pending: Pending | undefined }
}

/** A member's write side: decides on the leader, evolves on every member, and keeps the rows on disk. */
export class Platform {
  readonly engine: Engine
  readonly heartbeats: Heartbeats
  readonly #log: Log
  readonly #clock: () => number
  readonly #replica: Replica
  readonly #processes: ProcessRunner
  readonly #proposer: Proposer
  readonly #subscription: Subscription
  /** Random, so that nobody foretells uids; what follows it makes each decision's seed another. */
  readonly #seed = randomUUID()
  #seeds = 0
  #leadership: Leadership = { term: 0, leader: 0, ready: false }
  #closed = false

  static async open(options: PlatformOptions): Promise<Platform> {
    const engine = new Engine(options.registry)
    const rows = await RowStore.open(options.directory, engine.state, options.onFatal)
    return new Platform(options, engine, rows)
  }

  private constructor({ log, onFatal, clock = Date.now }: PlatformOptions, engine: Engine, rows: OpenedRows) {
    this.engine = engine
    this.#log = log
    this.#clock = clock
    this.heartbeats = new Heartbeats(clock)
    this.#processes = new ProcessRunner(this, clock)
    this.#proposer = new Proposer(log, (error) => this.#onLost(error))
    this.#replica = new Replica({
      log,
      engine,
      rows,
      onFatal,
      decided: (entry) => this.#proposer.take(entry),
      onForeign: () => this.#abdicate(),
      onApplied: () => this.#onApplied(),
    })
    this.#replica.follow()
    this.#subscription = log.leadership.subscribe((leadership) => this.#onLeadership(leadership))
  }

  /** Why the rows on disk were thrown away and made anew; undefined when they were sound. */
  get repaired(): string | undefined {
    return this.#replica.repaired
  }

  /** The revision of the rows on disk at the start: only what came after was replayed. */
  get resumedRevision(): number {
    return this.#replica.resumedRevision
  }

  /** The last log index whose entry is in the state for good. */
  get applied(): Applied {
    return this.#replica.applied
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
    return this.#reply(this.#begin(request))
  }

  /**
   * As `submit`, for many commands: what becomes of a decision is told without a promise. Throws Rejection when this member does not
   * decide.
   */
  submitTo(request: SubmitRequest, settled: Settled): void {
    const begun = this.#begin(request)
    if (!(begun.decided instanceof Rejection) && begun.decided.pending !== undefined) {
      begun.decided.pending.tell(settled, begun.decided.outcome.result)
      return
    }
    this.#reply(begun).then(
      ({ result, revision }) => settled.committed(result, revision),
      (error: unknown) => settled.undone(asRejection(error)),
    )
  }

  /** Throws Rejection when this member does not decide. */
  #begin(request: SubmitRequest): Begun {
    const revision = this.#nextRevision()
    const place = { revision, now: this.#now(), seed: `${this.#seed}/${this.#seeds++}` }
    const seen = this.#proposer.inFlight.last
    return { revision, seen, decided: this.#decide(request, place) }
  }

  async #reply({ revision, seen, decided }: Begun): Promise<SubmitReply> {
    if (decided instanceof Rejection) {
      await this.#cameTrue(seen)
      throw decided
    }
    const { outcome, pending } = decided
    if (outcome.kind === 'duplicate') await this.#cameTrueAgain(outcome.revision)
    else if (pending === undefined) await this.#cameTrue(seen)
    else await pending.committed
    return this.#accepted(revision, outcome)
  }

  #accepted(revision: number, outcome: Outcome): SubmitReply {
    const { history } = this
    const { result } = outcome
    if (outcome.kind === 'duplicate')
      return { revision: outcome.revision, history, result, duplicate: true, record: undefined }
    return { revision, history, result, duplicate: false, record: outcome.record }
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
  ): Begun['decided'] {
    const { journal } = this.engine.state
    const savepoint = journal.savepoint()
    try {
      if (request.dryRun === true) {
        const record = this.engine.dryRun({ ...request, commandId: '' }, place)
        this.#encode(record)
        return { outcome: { kind: 'decided', record, result: record.result }, pending: undefined }
      }
      const outcome = this.engine.decide(request, place)
      return {
        outcome,
        pending:
          outcome.kind === 'decided' ? this.#append(outcome.record, this.#encode(outcome.record)) : undefined,
      }
    } catch (error) {
      journal.rollback(savepoint)
      return asRejection(error)
    }
  }

  /** Rejects with TOO_LARGE. */
  #encode(record: DecisionRecord): Uint8Array {
    const payload = encodeRecord(record)
    if (payload.length <= ENTRY_BYTES_MAX) return payload
    const internal = this.engine.command(record.command).domain.contract.internal === true
    const bound = internal ? INTERNAL_ENTRY_BYTES_MAX : ENTRY_BYTES_MAX
    if (payload.length > bound) {
      const text = `the decision takes ${payload.length} bytes; ${bound} are the bound: do it in parts`
      throw new Rejection('TOO_LARGE', text)
    }
    return payload
  }

  #append(record: LogRecord, payload: Uint8Array): Pending {
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
    return this.#replica.listen(listener)
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
    return this.#replica.whenApplied(revision, timeoutMilliseconds)
  }

  /** Stops deciding and applying, and writes the rows. The log is the caller's to close. */
  async close(): Promise<void> {
    this.#closed = true
    this.#processes.stop()
    this.#subscription.unsubscribe()
    this.#abdicate()
    await this.#replica.close()
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
    if (lastIndex !== this.applied.revision || !this.#replica.certain) return
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
      time: this.#now(),
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
  }

  #onApplied(): void {
    this.#tryToLead()
    if (this.#proposer.leading !== undefined) this.#processes.wake()
  }

  /** The time of the next entry in milliseconds since 1970: no entry has an earlier one than the entry before it. */
  #now(): number {
    return Math.max((this.#proposer.inFlight.last ?? this.applied).time, this.#clock())
  }
}
