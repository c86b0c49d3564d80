import type { RaftLimits } from './config.ts'
import { invariant } from './invariant.ts'

interface Inflight {
  readonly lastIndex: number
  readonly bytes: number
}

/**
 * What a leader knows of one peer. `probe`: one append at a time until it is known where the logs meet.
 * `replicate`: appends are pipelined within a window of messages and bytes. Invariant: matchIndex < nextIndex.
 */
export class Progress {
  state: 'probe' | 'replicate' = 'probe'
  /** Known to be durable at the peer, and equal to this leader's log. */
  matchIndex = 0
  nextIndex: number
  /** Heard from in the present CheckQuorum period, and in the one before. */
  #recovery = 0
  #heard = false
  #heardBefore = false
  heartbeatDue = false
  /** The highest commit index that the peer was told and could take. */
  sentCommit = 0
  #probeSent = false
  /** A heartbeat interval went by since the probe was sent: the next sign of life sends it again. */
  #probeOverdue = false
  #inflight: Inflight[] = []
  #inflightBytes = 0
  #matchAtTick = 0
  #nextAtTick = 0
  #stalled = false
  readonly #limits: RaftLimits

  constructor(nextIndex: number, limits: RaftLimits) {
    this.nextIndex = nextIndex
    this.#limits = limits
  }

  get inflightMessages(): number {
    return this.#inflight.length
  }

  /** May an append with entries be sent now? */
  get paused(): boolean {
    if (this.state === 'probe') return this.#probeSent
    return (
      this.#inflight.length >= this.#limits.maxInflightMessages ||
      this.#inflightBytes >= this.#limits.maxInflightBytes
    )
  }

  sent(lastIndex: number, bytes: number): void {
    invariant(!this.paused, 'an append was sent to a paused peer')
    if (this.state === 'probe') {
      this.#probeSent = true
      this.#probeOverdue = false
      return
    }
    if (lastIndex < this.nextIndex) return
    this.nextIndex = lastIndex + 1
    this.#inflight.push({ lastIndex, bytes })
    this.#inflightBytes += bytes
  }

  get recentlyActive(): boolean {
    return this.#heard || this.#heardBefore
  }

  /** It has lost its disk: what it holds is no part of any quorum. */
  get isRecovering(): boolean {
    return this.#recovery !== 0
  }

  heard(): void {
    this.#heard = true
  }

  /** Ends a CheckQuorum period: was the peer heard in it? */
  takeHeard(): boolean {
    this.#heardBefore = this.#heard
    this.#heard = false
    return this.#heardBefore
  }

  /**
   * The `previousIndex` of the heartbeat that is due. Normally the matching index, which no peer can refuse. When
   * nothing was acknowledged for a heartbeat interval although appends are under way, the last one sent: a peer
   * that lost them refuses it, so a full window finds out, too.
   */
  get heartbeatIndex(): number {
    return this.#stalled ? this.nextIndex - 1 : this.matchIndex
  }

  heartbeatTick(): void {
    const isUnanswered = this.matchIndex === this.#matchAtTick && this.#nextAtTick > this.matchIndex + 1
    this.#stalled = this.state === 'replicate' && isUnanswered
    this.#matchAtTick = this.matchIndex
    this.#nextAtTick = this.state === 'replicate' ? this.nextIndex : 0
    this.#probeOverdue = this.#probeSent
    this.heartbeatDue = true
  }

  heartbeatSent(): void {
    this.heartbeatDue = false
    this.#stalled = false
  }

  /** The peer holds everything up to `index`. True when that was news. */
  acknowledged(index: number): boolean {
    const isNews = index > this.matchIndex
    if (isNews) this.matchIndex = index
    if (this.state === 'replicate') {
      this.nextIndex = Math.max(this.nextIndex, this.matchIndex + 1)
      this.#freeInflight(index)
    } else if (isNews || index === this.nextIndex - 1) {
      this.state = 'replicate'
      this.nextIndex = this.matchIndex + 1
      this.#clear()
    } else if (this.#probeOverdue) {
      this.#clear()
    }
    return isNews
  }

  /** The peer refused an append after `refusedIndex`; `probeNext` is where the logs may meet. Stale refusals change nothing. */
  refused(refusedIndex: number, probeNext: number): void {
    if (this.state === 'replicate') {
      if (refusedIndex <= this.matchIndex) return
      this.becomeProbe()
      return
    }
    if (refusedIndex !== this.nextIndex - 1) return
    this.nextIndex = Math.max(Math.min(refusedIndex, probeNext + 1), this.matchIndex + 1)
    this.#clear()
  }

  /**
   * The peer lost its disk, or got its vote back. With its disk it lost what was acknowledged, and what it took while it
   * recovered counts for no quorum: a late answer from before the loss must not make it count. So either way `lastIndex` is
   * where the leader begins to look for what the peer holds.
   */
  recoveryIs(recovery: number, lastIndex: number): void {
    if (recovery === this.#recovery) return
    this.matchIndex = 0
    this.sentCommit = 0
    this.becomeProbe()
    this.nextIndex = lastIndex + 1
    this.#recovery = recovery
  }

  becomeProbe(): void {
    this.state = 'probe'
    this.nextIndex = this.matchIndex + 1
    this.#stalled = false
    this.#clear()
  }

  #clear(): void {
    this.#probeSent = false
    this.#probeOverdue = false
    this.#inflight = []
    this.#inflightBytes = 0
  }

  #freeInflight(index: number): void {
    let first = this.#inflight[0]
    while (first !== undefined && first.lastIndex <= index) {
      this.#inflightBytes -= first.bytes
      this.#inflight.shift()
      first = this.#inflight[0]
    }
  }
}
