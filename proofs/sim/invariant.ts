import type { LeadershipChange, Write } from '../../log/raft/effects.ts'
import type { Entry, MemberId, Message } from '../../log/raft/types.ts'
import type { History } from './history.ts'

/** What an invariant may see of a member. */
export interface Observed {
  readonly id: MemberId
  /** Counts the starts of the process. */
  readonly incarnation: number
  /** The log as the core has it, durable or not. */
  readonly log: readonly Entry[]
  readonly durableLog: readonly Entry[]
  /** What its disk held each time it was wiped. */
  readonly lostLogs: readonly (readonly Entry[])[]
  /** Nothing on its disk is damaged. */
  readonly isSound: boolean
  /** The sequence of the last write that is durable, since the process started. */
  readonly durableWrite: number
  readonly durableTerm: number
  readonly durableVote: MemberId
  readonly term: number
  /** Starts at the checkpoint that the process found. */
  readonly appliedIndex: number
  /** The term that it led when what it reports now was committed; it may have lost it in the same turn. */
  readonly committingTerm: number
  /** The term that it leads, or 0. */
  readonly leadingTerm: number
}

/** A read as a client saw it. */
export interface ClientRead {
  readonly member: MemberId
  /** The highest index that anybody knew to be committed when the read began. */
  readonly committedAtStart: number
}

export type ProposalOutcome = 'accepted' | 'refused' | 'acknowledged'

/** One property of Raft. Each hook is called right after what it is named for, and throws Violation. */
export interface Invariant {
  readonly name: string
  /** The property, in words. */
  readonly property: string
  started?(member: Observed): void
  /** Its disk was lost, and a blank one put in its place. */
  wiped?(member: Observed): void
  /** Something on its disk is no more what was written there. */
  damaged?(member: Observed): void
  leadershipChanged?(member: Observed, change: LeadershipChange): void
  /** The core handed out a write; `removed` are the entries that it replaces. */
  writeTaken?(member: Observed, write: Write, removed: readonly Entry[]): void
  /** A write is durable; `removed` are the durable entries that it replaced. */
  writeDurable?(member: Observed, write: Write, removed: readonly Entry[]): void
  /** The core was told that a write is durable. */
  writeReported?(member: Observed, write: Write): void
  sending?(member: Observed, message: Message): void
  /** Somebody learned that more is committed than anyone knew. */
  historyGrew?(member: Observed, from: number, to: number): void
  /** The member's commit index, as it reports it. */
  commitReported?(member: Observed, commit: number, deliverable: number): void
  applied?(member: Observed, entry: Entry): void
  readFinished?(member: Observed, index: number, read: ClientRead): void
  proposalSettled?(payloadId: number, index: number, outcome: ProposalOutcome): void
  /** All faults are healed and every member has caught up. */
  converged?(members: readonly Observed[]): void
}

export type InvariantFactory = (history: History, memberCount: number) => Invariant

/** A property was broken. */
export class Violation extends Error {
  readonly invariant: string
  constructor(invariant: string, message: string) {
    super(`${invariant}: ${message}`)
    this.name = 'Violation'
    this.invariant = invariant
  }
}
