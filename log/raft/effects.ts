import type { Entry, HardState, MemberId, Message, Standing } from './types.ts'

/**
 * What must be made durable: everything in it goes into ONE synced, atomic batch, and batches are written in the
 * order of their sequence. A term is never durable after its entries (Raft §5.1, "persistent state").
 */
export interface Write {
  /** 1, 2, 3, … without a gap. It identifies the completion, so that an old one cannot vouch for newer entries (ABA). */
  readonly sequence: number
  /** The core's term when the write was taken. */
  readonly term: number
  /** The last index of the log once this write is done. */
  readonly lastIndex: number
  /** Present only when it changed. */
  readonly hardState: HardState | null
  /** Stored entries from this index on are removed first; 0 when nothing is replaced. */
  readonly truncateFrom: number
  /** From this write on the member is a voter, whatever it was formatted as. */
  readonly becomesVoter: boolean
  /** Contiguous; the first follows what is left in the log. */
  readonly entries: readonly Entry[]
}

/** Who leads, as this member knows it. */
export interface LeadershipChange {
  readonly term: number
  /** 0 while no leader is known. */
  readonly leader: MemberId
  /**
   * The index of this member's own no-op when it leads, 0 otherwise. The layer above may decide once this index
   * has been applied (Raft §8).
   */
  readonly firstIndex: number
}

/** A finished ReadIndex round: its reads may be answered once `index` is applied (Raft §6.4). */
export interface FinishedRead {
  readonly tag: number
  readonly index: number
}

/** What the driver has to do, in this order of fields; several may be under way at once. */
export interface Effects {
  /** Make it durable, then call `Raft.persisted(write)`. */
  readonly write: Write | null
  /** May be sent at once, before the write: a leader's appends and heartbeats, PreVote, refusals. */
  readonly messagesNow: readonly Message[]
  /**
   * Sent only after this and every EARLIER write is durable: votes, and acknowledgements of entries. That holds also
   * when `write` is null while an earlier write is still under way.
   */
  readonly messagesAfterSync: readonly Message[]
  /** The commit index. Entries past `deliverable` may not be read yet. */
  readonly commit: number
  /** Committed and durable here: entries up to this index may be read from the LogView and delivered, in order. */
  readonly deliverable: number
  readonly reads: readonly FinishedRead[]
  /** Tags of rounds that will never finish, because leadership was lost. */
  readonly failedReads: readonly number[]
  /** Only when it changed. */
  readonly leadership: LeadershipChange | null
}

export type Role = 'leader' | 'follower' | 'candidate' | 'pre-candidate'

/** Why a proposal was not taken; nothing was appended. */
export type ProposeResult = 'accepted' | 'not_leader' | 'fenced' | 'overloaded'

export interface PeerStatus {
  readonly id: MemberId
  /** Known to be durable at that peer. */
  readonly matchIndex: number
  readonly nextIndex: number
  readonly state: 'probe' | 'replicate'
  readonly recentlyActive: boolean
  readonly recovering: boolean
  readonly inflightMessages: number
}

export interface RaftStatus {
  readonly id: MemberId
  readonly term: number
  readonly vote: MemberId
  readonly leader: MemberId
  readonly role: Role
  readonly lastIndex: number
  readonly lastTerm: number
  /** Durable here. */
  readonly stableIndex: number
  readonly commitIndex: number
  readonly appliedIndex: number
  /** The member that leadership is being handed to; 0 when none. */
  readonly transferee: MemberId
  readonly standing: Standing
  /** Why a member that is no voter has not become one; empty for a voter. */
  readonly waitsFor: string
  /** Empty unless this member leads. */
  readonly peers: readonly PeerStatus[]
}
