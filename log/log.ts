import type { Observable } from 'rxjs'
import type { Entry, MemberId, Standing } from './raft/types.ts'

export type { Entry, MemberId } from './raft/types.ts'

export interface Leadership {
  readonly term: number
  /** 0 while no leader is known. */
  readonly leader: MemberId
  /**
   * True once this member leads and its own no-op is committed and delivered to every follower of `follow`
   * that keeps up: only then may the layer above decide.
   */
  readonly ready: boolean
}

export interface MemberStatus {
  readonly id: MemberId
  readonly name: string
  /** host:port of the member's peer transport. */
  readonly peerAddress: string
  /** host:port of the member's client edge, for forwarding. */
  readonly clientAddress: string
}

export interface LogStatus {
  readonly clusterId: string
  readonly memberId: MemberId
  readonly term: number
  readonly leader: MemberId
  readonly role: 'leader' | 'follower' | 'candidate' | 'pre-candidate'
  readonly lastIndex: number
  readonly commitIndex: number
  /** The member that this one hands leadership over to, and takes no proposals meanwhile (OVERLOADED); 0 for none. */
  readonly transferee: MemberId
  /** Whether this member has a vote: not while the cluster is new, nor while it recovers from a lost disk. */
  readonly standing: Standing
  /** What keeps it from having one; empty when it has. */
  readonly waitsFor: string
  readonly members: readonly MemberStatus[]
  /** Bytes on disk of the write-ahead files, allocated ones included, and the sealed segments. */
  readonly sizeBytes: number
}

export type LogErrorCode =
  | 'NOT_LEADER'
  /** Leadership was lost while the proposal was under way: it may or may not commit. Retry with the same command id. */
  | 'OUTCOME_UNKNOWN'
  /** The fence did not hold: another term, or not the next index. Nothing was appended. */
  | 'FENCED'
  /** The bound on uncommitted bytes or entries is reached: try again later. */
  | 'OVERLOADED'
  | 'TOO_LARGE'
  | 'TIMEOUT'
  | 'CLOSED'
  /** Storage is damaged or failed: the member has stopped. */
  | 'STORAGE'

export class LogError extends Error {
  readonly code: LogErrorCode
  constructor(code: LogErrorCode, message: string) {
    super(message)
    this.name = 'LogError'
    this.code = code
  }
}

export interface Proposal {
  /** The term in which the caller decided; a leader of another term refuses with FENCED. */
  readonly term: number
  /** The index the first payload must get; anything else is refused with FENCED. */
  readonly firstIndex: number
  readonly payloads: readonly Uint8Array[]
}

export interface Follower {
  /**
   * Called with committed entries in order, without a gap. While a returned promise is pending, no more are delivered. A number says how
   * many of them were taken: the others come again, in another turn of the event loop when those took long.
   */
  (entries: readonly Entry[]): void | number | Promise<void>
}

/** The one port that everything above the log uses. */
export interface Log {
  /**
   * Appends many entries at once. Whether it is taken is decided before this returns (a refusal throws LogError);
   * the promise resolves when all of them are committed and rejects with OUTCOME_UNKNOWN when leadership is lost first.
   */
  propose(proposal: Proposal): Promise<void>
  /** Committed entries from `from` to `to` (both inclusive), at most `limitBytes` of payload, one at least. Empty past the commit index. */
  read(from: number, to: number, limitBytes: number): Promise<readonly Entry[]>
  /** Delivers every committed entry from `from` on. The returned function ends it. */
  follow(from: number, follower: Follower): () => void
  /**
   * Linearizable read barrier (Raft §6.4): the index that must be applied before answering.
   * On a follower: NOT_LEADER. Throws TIMEOUT when no quorum answers.
   */
  readIndex(): Promise<number>
  status(): LogStatus
  /** The present leadership, then each change. Replays the last value to a late subscriber. */
  readonly leadership: Observable<Leadership>
  /**
   * Hands leadership over, and resolves once another member leads; at once when this one does not lead, and after an election
   * timeout when no other takes it. The log goes on: what stops after this keeps nobody waiting.
   */
  resign(): Promise<void>
  /** Stops cleanly: hands leadership over where it can, and closes storage. */
  close(): Promise<void>
}
