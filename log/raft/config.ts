import { invariant } from './invariant.ts'
import type { MemberId, Origin, Standing } from './types.ts'

/** What the driver must say. Times are in ticks; the driver decides how long a tick is. */
export interface RaftConfig {
  readonly id: MemberId
  /** 1, 3 or 5 voters, this member among them. */
  readonly members: readonly MemberId[]
  /**
   * T: the shortest election timeout, and the length of the vote lease. A follower waits between T and 2T
   * (Raft §5.2, §9.3), so the upper end of the range is 2T.
   */
  readonly electionTicks: number
  readonly heartbeatTicks: number
  /** In [0, 1), seeded by the driver. */
  readonly random: () => number
  /** Known to be committed and applied before this start (a checkpoint's index); 0 when nothing is known. */
  readonly appliedIndex?: number
  readonly limits?: Partial<RaftLimits>
  /** As it is durable. Default: a voter. */
  readonly standing?: Standing
  /** Default: a blank log. */
  readonly origin?: Origin
}

/** The bounds of one member. */
export interface RaftLimits {
  /** Appends with entries on their way to one peer and not yet answered. */
  readonly maxInflightMessages: number
  /** Payload bytes on their way to one peer. */
  readonly maxInflightBytes: number
  /** Payload bytes of one append; a single larger entry still goes alone. */
  readonly maxBytesPerAppend: number
  /** Payload bytes that a leader takes before they are committed. */
  readonly maxUncommittedBytes: number
  readonly maxUncommittedEntries: number
  /** Proposals are refused while more committed entries than this wait to be applied (etcd: 5,000). */
  readonly maxApplyGap: number
  /** ReadIndex rounds under way; further reads share the next one. */
  readonly maxReadRounds: number
}

export const defaultLimits: RaftLimits = {
  maxInflightMessages: 256,
  maxInflightBytes: 16 * 1024 * 1024,
  maxBytesPerAppend: 1024 * 1024,
  maxUncommittedBytes: 64 * 1024 * 1024,
  maxUncommittedEntries: 65_536,
  maxApplyGap: 5_000,
  maxReadRounds: 64,
}

/** Throws InvariantError when the configuration could not work. Returns the limits, filled up. */
export function checkConfig(config: RaftConfig): RaftLimits {
  const { members, id, electionTicks, heartbeatTicks } = config
  invariant([1, 3, 5].includes(members.length), `a cluster has 1, 3 or 5 members, not ${members.length}`)
  invariant(new Set(members).size === members.length, 'member ids must be unique')
  for (const member of members) {
    invariant(Number.isSafeInteger(member) && member > 0, `member id ${member} must be a positive integer`)
  }
  invariant(members.includes(id), `member ${id} is not among the members`)
  invariant(
    members.length > 1 || config.standing !== 'recovering',
    'the only member of a cluster has nobody to recover from: restore a backup',
  )
  invariant(Number.isSafeInteger(heartbeatTicks) && heartbeatTicks >= 1, 'heartbeatTicks must be at least 1')
  invariant(
    Number.isSafeInteger(electionTicks) && electionTicks >= 2 * heartbeatTicks,
    'electionTicks must be at least twice heartbeatTicks, or one lost heartbeat causes an election',
  )
  const limits = { ...defaultLimits, ...config.limits }
  for (const [name, value] of Object.entries(limits)) {
    invariant(Number.isSafeInteger(value) && value >= 1, `${name} must be a positive integer`)
  }
  return limits
}
