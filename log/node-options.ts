import type { MemberStatus } from './log.ts'
import type { MemberId } from './raft/types.ts'
import type { WatchedTls } from './tls/watched.ts'

export interface LogOptions {
  /** The member's data directory. */
  readonly directory: string
  readonly clusterId: string
  readonly memberId: MemberId
  /** All 1, 3 or 5 members, this one among them. */
  readonly members: readonly MemberStatus[]
  /** Where the peer transport listens. Port 0 takes a free one. */
  readonly listen: { readonly host: string; readonly port: number }
  /** Known to all members; who does not know it is refused. */
  readonly clusterSecret: string
  /** The certificates with which members prove to each other which of them they are; without, the secret alone is the proof. */
  readonly tls?: WatchedTls | undefined
  /** T: a follower that hears no leader campaigns after T to 2T. Default 500. */
  readonly electionTimeoutMilliseconds?: number
  /** Default 50. */
  readonly heartbeatMilliseconds?: number
  /** Entries in a block of the hash chain; the same on every member and fixed when a directory is formatted. */
  readonly blockEntries?: number
  /** How long after one verification of all sealed segments the next begins. Default one day; the first begins right after the start. */
  readonly scrubIntervalMilliseconds?: number
  /**
   * Called once when the member has stopped by itself: storage failed, an invariant broke, or a follower threw.
   * The process should say so and exit.
   */
  readonly failed: (error: Error) => void
  /** Told when the connection to a peer breaks or is refused (once for each change), and what the scrub finds. */
  readonly warn?: (message: string) => void
}

/** A heartbeat is so many ticks, so that election timeouts have steps fine enough to differ. */
const heartbeatTicks = 5

export interface Times {
  readonly scrubMilliseconds: number
  readonly tickMilliseconds: number
  readonly heartbeatTicks: number
  readonly electionTicks: number
  readonly electionMilliseconds: number
}

/** Throws RangeError for times that could not work. */
export function resolveTimes(options: LogOptions): Times {
  const heartbeat = options.heartbeatMilliseconds ?? 50
  const election = options.electionTimeoutMilliseconds ?? 500
  if (!(heartbeat >= heartbeatTicks)) {
    throw new RangeError(`heartbeatMilliseconds must be at least ${heartbeatTicks}, not ${heartbeat}`)
  }
  if (!(election >= 4 * heartbeat)) {
    throw new RangeError('electionTimeoutMilliseconds must be at least four heartbeats')
  }
  const tickMilliseconds = heartbeat / heartbeatTicks
  return {
    scrubMilliseconds: options.scrubIntervalMilliseconds ?? 24 * 60 * 60 * 1000,
    tickMilliseconds,
    heartbeatTicks,
    electionTicks: Math.ceil(election / tickMilliseconds),
    electionMilliseconds: election,
  }
}
