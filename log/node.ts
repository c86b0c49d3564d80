import { BehaviorSubject, type Observable } from 'rxjs'
import { Delivery } from './delivery.ts'
import { Driver } from './driver.ts'
import {
  type Entry,
  type Follower,
  type Leadership,
  type Log,
  LogError,
  type LogStatus,
  type MemberId,
  type Proposal,
} from './log.ts'
import { type LogOptions, resolveTimes } from './node-options.ts'
import { checkSize, Proposals } from './proposals.ts'
import type { Effects, LeadershipChange } from './raft/effects.ts'
import { Raft } from './raft/raft.ts'
import { ReadableLog } from './readable-log.ts'
import { Reads } from './reads.ts'
import { Scrubber } from './scrubber.ts'
import { SegmentRepair } from './segment-repair.ts'
import { StandingReport } from './standing-report.ts'
import type { BlockPart } from './storage/block.ts'
import { formatDirectory, isFormatted } from './storage/format.ts'
import { LogStore } from './storage/store.ts'
import { Ticker } from './ticker.ts'
import { startTransport } from './transport/start.ts'
import type { Transport } from './transport/transport.ts'

/**
 * One member of the log. Opens `options.directory`, listens for peers and takes part in elections. A blank directory is formatted
 * when there are no other members: it can have promised them nothing. Throws StorageError when the directory is damaged,
 * someone else's, or blank though there are others (NOT_FORMATTED); LogError when it cannot listen.
 */
export async function openLog(options: LogOptions): Promise<Log> {
  const identity = { clusterId: options.clusterId, memberId: options.memberId }
  let node: LogNode | undefined
  const { directory, blockEntries } = options
  if (options.members.length === 1 && !(await isFormatted(directory)))
    await formatDirectory(directory, identity, {
      standing: 'founding',
      ...(blockEntries === undefined ? {} : { blockEntries }),
    })
  const store = await LogStore.open(directory, identity, (error) => node?.fail(error))
  for (const repair of store.repairs) options.warn?.(repair)
  try {
    node = new LogNode(options, store)
    await node.start()
    return node
  } catch (error) {
    await store.close()
    throw error
  }
}

/** Keeps the promises of the port: what is asked of it goes to the core, and what comes of that to whoever waits. */
class LogNode implements Log {
  readonly #options: LogOptions
  readonly #times: ReturnType<typeof resolveTimes>
  readonly #store: LogStore
  readonly #repair: SegmentRepair
  readonly #readable: ReadableLog
  readonly #raft: Raft
  readonly #driver: Driver
  readonly #proposals = new Proposals()
  readonly #reads: Reads
  readonly #delivery: Delivery
  readonly #ticker: Ticker
  readonly #scrubber: Scrubber
  readonly #standing: StandingReport
  readonly #leadership = new BehaviorSubject<Leadership>({ term: 0, leader: 0, ready: false })
  #transport: Transport | undefined
  /** The index of this member's own no-op while it leads. */
  #leadsFrom = 0
  #applied: number
  #state: 'running' | 'closing' | 'stopped' = 'running'
  #failure: Error | undefined
  #closed: Promise<void> | undefined

  constructor(options: LogOptions, store: LogStore) {
    this.#options = options
    this.#times = resolveTimes(options)
    this.#store = store
    const isAlone = options.members.length === 1
    this.#repair = new SegmentRepair(store.segments, {
      peers: options.members.map(({ id }) => id).filter((id) => id !== options.memberId),
      fetch: (peer, firstIndex, signal) => this.#fetchBlock(peer, firstIndex, signal),
      repaired: () => this.#delivery.resume(),
      warn: (message) => options.warn?.(message),
    })
    this.#readable = new ReadableLog(store, this.#repair)
    this.#raft = new Raft(
      {
        id: options.memberId,
        members: options.members.map(({ id }) => id),
        electionTicks: this.#times.electionTicks,
        heartbeatTicks: this.#times.heartbeatTicks,
        random: Math.random,
        appliedIndex: store.sealedIndex,
        standing: isAlone && store.standing === 'recovering' ? 'voter' : store.standing,
        origin: store.origin,
      },
      this.#readable,
      store.hardState,
    )
    this.#driver = new Driver(this.#raft, store, {
      send: (message) => this.#transport?.send(message),
      performed: (effects) => this.#performed(effects),
      failed: (error) => {
        this.fail(error)
        return this.#stoppedError()
      },
    })
    this.#applied = store.sealedIndex
    const { electionMilliseconds } = this.#times
    this.#reads = new Reads(4 * electionMilliseconds, electionMilliseconds, () => this.#raft.readIndex())
    this.#delivery = new Delivery(2 * electionMilliseconds, {
      read: (from, to, limitBytes) => this.#readable.entries(from, to, limitBytes),
      progress: () => this.#driver.run(() => this.#delivered()),
      failed: (error) => this.fail(error),
    })
    this.#delivery.advance(store.sealedIndex)
    this.#ticker = new Ticker(this.#times.tickMilliseconds, this.#times.heartbeatTicks, () => this.#tick())
    this.#standing = new StandingReport(4 * electionMilliseconds, (text) => options.warn?.(text))
    this.#scrubber = new Scrubber(store.segments, this.#times.scrubMilliseconds, (damage) =>
      this.#repair.found(damage),
    )
  }

  get leadership(): Observable<Leadership> {
    return this.#leadership
  }

  async start(): Promise<void> {
    this.#transport = await startTransport(this.#options, this.#times.electionMilliseconds, {
      deliver: (message) => this.#driver.run(() => this.#raft.step(message)),
      status: () => this.status(),
      block: (firstIndex) => this.#repair.block(firstIndex),
    })
    this.#ticker.start()
    // There is no leader to be heard of: the first campaign waits for nothing.
    if (this.#options.members.length === 1) this.#tick()
    this.#scrubber.start()
  }

  propose(proposal: Proposal): Promise<void> {
    this.#checkRunning()
    const { term, firstIndex, payloads } = proposal
    checkSize(payloads)
    const result = this.#driver.call(() => this.#raft.propose(term, firstIndex, payloads))
    switch (result) {
      case 'accepted':
        return this.#proposals.add(term, firstIndex + payloads.length - 1)
      case 'not_leader':
        throw new LogError('NOT_LEADER', `member ${this.#raft.status().leader} leads`)
      case 'fenced': {
        const status = this.#raft.status()
        const actual = `the term is ${status.term} and the next index ${status.lastIndex + 1}`
        throw new LogError('FENCED', `${actual}, not ${term} and ${firstIndex}`)
      }
      case 'overloaded':
        throw new LogError(
          'OVERLOADED',
          'too much is uncommitted or not applied, or leadership is being handed over',
        )
    }
  }

  async read(from: number, to: number, limitBytes: number): Promise<readonly Entry[]> {
    this.#checkRunning()
    if (!Number.isSafeInteger(from) || from < 1) throw new RangeError(`cannot read from index ${from}`)
    return this.#readable.whenRead(from, Math.min(to, this.#delivery.deliverable), limitBytes)
  }

  follow(from: number, follower: Follower): () => void {
    this.#checkRunning()
    return this.#delivery.follow(from, follower)
  }

  async readIndex(): Promise<number> {
    this.#checkRunning()
    return this.#driver.call(() => this.#reads.add(performance.now()))
  }

  status(): LogStatus {
    const { term, leader, role, lastIndex, commitIndex, transferee, standing, waitsFor } = this.#raft.status()
    return {
      clusterId: this.#options.clusterId,
      memberId: this.#options.memberId,
      term,
      leader,
      role,
      lastIndex,
      commitIndex,
      transferee,
      standing,
      waitsFor,
      members: this.#options.members,
      sizeBytes: this.#store.sizeBytes(),
    }
  }

  async resign(): Promise<void> {
    if (this.#state !== 'running') return
    const deadline = delay(this.#times.electionMilliseconds)
    await this.#handOver(deadline.promise)
    deadline.cancel()
  }

  close(): Promise<void> {
    this.#closed ??= this.#close()
    return this.#closed
  }

  /** Stops at once: what comes next fails with STORAGE, what is under way has an unknown outcome. It is told once the mark is written. */
  fail(error: unknown): void {
    if (this.#state === 'stopped') return
    this.#failure = error instanceof Error ? error : new Error(String(error))
    this.#stop(`the member has stopped: ${this.#failure.message}`)
    void this.#transport?.close()
    void this.#scrubber.stop()
    void this.#repair.stop()
    this.#leadership.next({ term: this.#leadership.value.term, leader: 0, ready: false })
    void this.#told(this.#failure)
  }

  /** Whoever is told may end the process: the mark must not be lost with it. A disk that does not answer is not waited for. */
  async #told(failure: Error): Promise<void> {
    const deadline = delay(this.#times.electionMilliseconds)
    await Promise.race([this.#store.marked(), deadline.promise])
    deadline.cancel()
    this.#options.failed(failure)
  }

  async #close(): Promise<void> {
    if (this.#state === 'running') {
      this.#state = 'closing'
      const deadline = delay(this.#times.electionMilliseconds)
      await Promise.race([this.#proposals.drained(), deadline.promise])
      await this.#handOver(deadline.promise)
      deadline.cancel()
    }
    this.#stop('the member was closed')
    await this.#transport?.close()
    await this.#scrubber.stop()
    await this.#repair.stop()
    await this.#store.close()
    this.#leadership.complete()
  }

  /** Resolves once another member leads, or at the deadline; at once when this one does not lead or has nobody to hand over to. */
  async #handOver(deadline: Promise<void>): Promise<void> {
    if (!this.#driver.call(() => this.#raft.transferLeadership())) return
    const { promise, resolve } = Promise.withResolvers<void>()
    const subscription = this.#leadership.subscribe(({ leader }) => {
      if (leader !== 0 && leader !== this.#options.memberId) resolve()
    })
    await Promise.race([promise, deadline])
    subscription.unsubscribe()
  }

  #stop(reason: string): void {
    if (this.#state === 'stopped') return
    this.#state = 'stopped'
    this.#driver.stop()
    this.#ticker.stop()
    this.#delivery.endAll()
    this.#proposals.rejectAll(reason)
    this.#reads.rejectAll(this.#stoppedError())
  }

  #stoppedError(): LogError {
    if (this.#failure instanceof LogError) return this.#failure
    if (this.#failure !== undefined) return new LogError('STORAGE', this.#failure.message)
    return new LogError('CLOSED', 'the log is closed')
  }

  #checkRunning(): void {
    if (this.#state !== 'running') throw this.#stoppedError()
  }

  #fetchBlock(peer: MemberId, firstIndex: number, signal: AbortSignal): AsyncIterable<BlockPart> {
    if (this.#transport === undefined) throw new LogError('CLOSED', 'the transport has not started')
    return this.#transport.fetchBlock(peer, firstIndex, signal)
  }

  #tick(): void {
    this.#driver.runNow(() => {
      this.#raft.tick()
      this.#reads.expire(performance.now())
      this.#delivered()
      if (!this.#standing.isDone) this.#standing.tick(this.#raft.status(), performance.now())
    })
  }

  #performed(effects: Effects): void {
    if (effects.leadership !== null) this.#leadershipChanged(effects.leadership)
    this.#store.committed(effects.commit)
    this.#delivery.advance(effects.deliverable)
    this.#proposals.committed(effects.commit)
    for (const { tag, index } of effects.reads) this.#reads.finished(tag, index)
    for (const tag of effects.failedReads) this.#reads.failed(tag)
    this.#delivered()
  }

  #leadershipChanged({ term, leader, firstIndex }: LeadershipChange): void {
    this.#leadsFrom = firstIndex
    this.#proposals.leadershipIs(term, firstIndex > 0, leader)
    this.#leadership.next({ term, leader, ready: false })
  }

  #delivered(): void {
    this.#applied = Math.max(this.#applied, this.#delivery.applied())
    this.#raft.applied(this.#applied)
    const known = this.#leadership.value
    if (this.#leadsFrom === 0 || known.ready) return
    if (!this.#delivery.hasDelivered(this.#leadsFrom, performance.now())) return
    this.#leadership.next({ ...known, ready: true })
  }
}

function delay(milliseconds: number): { promise: Promise<void>; cancel: () => void } {
  const { promise, resolve } = Promise.withResolvers<void>()
  const timer = setTimeout(resolve, milliseconds)
  return { promise, cancel: () => clearTimeout(timer) }
}
