import type { RaftConfig, RaftLimits } from './config.ts'
import { checkConfig } from './config.ts'
import type { Effects, ProposeResult, RaftStatus, Write } from './effects.ts'
import type { HardState, LogView, MemberId, Message } from './types.ts'

/**
 * The interface of the pure core. The driver feeds it (tick, step, propose, …), then calls `take` until it returns
 * null, and does what the effects say. It reads no clock and does no input or output.
 */
export interface RaftCore {
  /** One unit of time has passed. */
  tick(): void
  /** A message of a peer; one from a stranger or for another member is dropped. Throws InvariantError on a broken invariant. */
  step(message: Message): void
  /**
   * Appends payloads, the first at `firstIndex`. 'fenced' when `term` is not the present one or `firstIndex` not
   * the next index; 'overloaded' at a bound or during a transfer of leadership.
   */
  propose(term: number, firstIndex: number, payloads: readonly Uint8Array[]): ProposeResult
  /**
   * Joins the next ReadIndex round and returns its tag (many reads may get the same one), or 'not_leader'. The tag
   * comes back in `Effects.reads` or `Effects.failedReads`. A retry calls this again and gets another tag.
   */
  readIndex(): number | 'not_leader'
  /** Hands leadership to `to`, or to the peer that is furthest. False when this member does not lead or nobody can take it. */
  transferLeadership(to?: MemberId): boolean
  /** The write and all before it are durable, and the LogView shows them. In order of their sequence; none may be left out. */
  persisted(write: Write): void
  /** Entries up to `index` have been applied by the layer above. Never falls. */
  applied(index: number): void
  /** What is to be done now, or null. */
  take(): Effects | null
  status(): RaftStatus
}

export type RaftConstructor = new (config: RaftConfig, log: LogView, hardState: HardState) => RaftCore

/** The limits in force for a configuration. */
export function limitsOf(config: RaftConfig): RaftLimits {
  return checkConfig(config)
}
