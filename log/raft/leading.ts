import type { RaftConfig, RaftLimits } from './config.ts'
import type { PeerStatus } from './effects.ts'
import { quorumOf } from './election.ts'
import { invariant } from './invariant.ts'
import { Progress } from './progress.ts'
import type { RaftLog } from './raft_log.ts'
import { Transfer } from './transfer.ts'
import type { AppendRequest, AppendResponse, MemberId } from './types.ts'
import { Uncommitted } from './uncommitted.ts'

/** How old a term gets at least, in election timeouts, before its leader campaigns for a member that recovers. */
const renewalTimeouts = 10

/** What a member holds only while it leads one term: its view of the peers, and its bounds. */
export class Leading {
  readonly term: number
  /** The index of the no-op that opens the term: entries from here on are of this term. */
  readonly firstIndex: number
  readonly uncommitted: Uncommitted
  readonly transfer: Transfer
  readonly #config: RaftConfig
  readonly #limits: RaftLimits
  readonly #log: RaftLog
  readonly #peers = new Map<MemberId, Progress>()
  #heartbeatElapsed = 0
  /** Ticks since the term began. */
  #renewalElapsed = 0
  #isRenewalTried = false
  /** A member that recovers has waited long enough: this leader has to campaign for a new term itself. */
  mustCampaign = false

  constructor(term: number, config: RaftConfig, limits: RaftLimits, log: RaftLog) {
    this.term = term
    this.#config = config
    this.#limits = limits
    this.#log = log
    this.firstIndex = log.lastIndex + 1
    this.uncommitted = new Uncommitted(log.lastIndex, limits)
    this.transfer = new Transfer(config.electionTicks)
    for (const member of config.members) {
      if (member !== config.id) this.#peers.set(member, new Progress(this.firstIndex, limits))
    }
  }

  /** An entry of this term is committed, so the commit index covers all that earlier terms committed (Raft §5.4.2, §8). */
  get hasCommitted(): boolean {
    return this.#log.commitIndex >= this.firstIndex
  }

  tick(): void {
    this.transfer.tick()
    this.#renewalElapsed += 1
    this.#heartbeatElapsed += 1
    if (this.#heartbeatElapsed < this.#config.heartbeatTicks) return
    this.#heartbeatElapsed = 0
    for (const progress of this.#peers.values()) progress.heartbeatTick()
  }

  /** A round of ReadIndex begins: its heartbeats go out at once. */
  heartbeatNow(): void {
    for (const progress of this.#peers.values()) progress.heartbeatDue = true
  }

  /** CheckQuorum: was a majority heard since the last call? Silent peers fall back to probing. */
  takeQuorumActive(): boolean {
    let active = 1
    for (const progress of this.#peers.values()) {
      if (!progress.takeHeard()) {
        if (progress.state === 'replicate') progress.becomeProbe()
      } else if (!progress.isRecovering) active += 1
    }
    return active >= quorumOf(this.#config.members.length)
  }

  answered(response: AppendResponse): void {
    const progress = this.#peers.get(response.from)
    invariant(progress !== undefined, `member ${response.from} is not a peer`)
    progress.heard()
    progress.recoveryIs(response.recovery, this.#log.lastIndex)
    if (response.success) {
      invariant(response.index <= this.#log.lastIndex, `member ${response.from} holds more than its leader`)
      progress.acknowledged(response.index)
    } else {
      progress.refused(response.index, this.#log.findConflictByTerm(response.hintIndex, response.hintTerm))
    }
    if (response.recovery !== 0 && response.neededTerm > this.term) this.#renewTerm(progress)
  }

  /**
   * A member that recovers needs a term later than any it can have voted in. Leadership is handed over for it, once it has
   * nearly caught up. If that has not helped after a while, this leader campaigns: it loses sight of what is in flight, but its
   * log is good enough for every voter.
   */
  #renewTerm(recovering: Progress): void {
    const lag = this.#log.commitIndex - recovering.matchIndex
    const isNear = !this.#isRenewalTried && lag <= this.#limits.maxApplyGap
    const isOverdue = this.#renewalElapsed >= renewalTimeouts * this.#config.electionTicks
    const target = this.bestPeer()
    if (!this.hasCommitted || target === 0) return
    if (isOverdue) this.mustCampaign = true
    if (!isNear || this.transfer.target !== 0) return
    this.#isRenewalTried = true
    this.transfer.begin(target)
  }

  /**
   * The highest index that a quorum holds durably, this member counting only what its own storage completed; 0
   * when that entry is not of this term (Raft §5.4.2: earlier terms are never committed by counting).
   */
  quorumIndex(): number {
    const held = [this.#log.stableIndex]
    for (const progress of this.#peers.values()) held.push(progress.isRecovering ? 0 : progress.matchIndex)
    held.sort((left, right) => right - left)
    const index = held[quorumOf(held.length) - 1] ?? 0
    return index >= this.firstIndex ? index : 0
  }

  /** The peer that is furthest among those heard lately; 0 when there is none. */
  bestPeer(): MemberId {
    let best: MemberId = 0
    let bestMatch = -1
    for (const [id, progress] of this.#peers) {
      if (progress.recentlyActive && !progress.isRecovering && progress.matchIndex > bestMatch) {
        best = id
        bestMatch = progress.matchIndex
      }
    }
    return best
  }

  canLead(id: MemberId): boolean {
    return this.#peers.get(id)?.isRecovering === false
  }

  /** All appends that may go out now: heartbeats first, since nothing bulky may hold them up. */
  flush(readTag: number): AppendRequest[] {
    const messages: AppendRequest[] = []
    for (const [id, progress] of this.#peers) {
      if (progress.heartbeatDue) {
        messages.push(this.#emptyAppend(id, progress, progress.heartbeatIndex, readTag, false))
        progress.heartbeatSent()
      }
    }
    for (const [id, progress] of this.#peers) this.#flushPeer(id, progress, readTag, messages)
    return messages
  }

  #flushPeer(id: MemberId, progress: Progress, readTag: number, messages: AppendRequest[]): void {
    while (!progress.paused && (progress.state === 'probe' || progress.nextIndex <= this.#log.lastIndex)) {
      const append = this.#append(id, progress, readTag)
      if (append === undefined) break
      messages.push(append)
    }
    if (this.transfer.isReady(id, this.#isLevelWith(progress))) {
      messages.push(this.#emptyAppend(id, progress, progress.matchIndex, readTag, true))
      this.transfer.sent()
    } else if (progress.sentCommit < Math.min(this.#log.commitIndex, progress.matchIndex)) {
      messages.push(this.#emptyAppend(id, progress, progress.matchIndex, readTag, false))
    }
  }

  /**
   * The peer has everything, and so have a quorum and this member's own disk, from which it is delivered: nothing that was proposed is
   * left with an unknown outcome.
   */
  #isLevelWith({ matchIndex }: Progress): boolean {
    const { lastIndex, commitIndex, stableIndex } = this.#log
    return matchIndex === lastIndex && matchIndex === commitIndex && matchIndex === stableIndex
  }

  /** Undefined when there are entries for a peer that does not need to be probed, and none can be read now. */
  #append(to: MemberId, progress: Progress, readTag: number): AppendRequest | undefined {
    const previousIndex = progress.nextIndex - 1
    const hasMore = progress.nextIndex <= this.#log.lastIndex
    const entries = hasMore ? this.#log.entriesFrom(progress.nextIndex, this.#limits.maxBytesPerAppend) : []
    if (hasMore && entries.length === 0 && progress.state !== 'probe') return undefined
    let bytes = 0
    for (const entry of entries) bytes += entry.payload.byteLength
    const lastIndex = previousIndex + entries.length
    progress.sent(lastIndex, bytes)
    progress.sentCommit = Math.max(progress.sentCommit, Math.min(this.#log.commitIndex, lastIndex))
    return this.#request(to, previousIndex, entries, readTag, false)
  }

  #emptyAppend(
    to: MemberId,
    progress: Progress,
    previousIndex: number,
    readTag: number,
    timeoutNow: boolean,
  ) {
    progress.sentCommit = Math.max(progress.sentCommit, Math.min(this.#log.commitIndex, previousIndex))
    return this.#request(to, previousIndex, [], readTag, timeoutNow)
  }

  #request(
    to: MemberId,
    previousIndex: number,
    entries: AppendRequest['entries'],
    readTag: number,
    timeoutNow: boolean,
  ): AppendRequest {
    return {
      type: 'append_request',
      from: this.#config.id,
      to,
      term: this.term,
      previousIndex,
      previousTerm: this.#log.termAt(previousIndex),
      entries,
      commit: this.#log.commitIndex,
      readTag,
      timeoutNow,
    }
  }

  peerStatus(): PeerStatus[] {
    return [...this.#peers].map(([id, progress]) => ({
      id,
      matchIndex: progress.matchIndex,
      nextIndex: progress.nextIndex,
      state: progress.state,
      recentlyActive: progress.recentlyActive,
      recovering: progress.isRecovering,
      inflightMessages: progress.inflightMessages,
    }))
  }
}
