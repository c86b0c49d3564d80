import type { Cluster } from '../cluster/cluster.ts'
import type { Member } from '../cluster/member.ts'
import type { Random } from '../workload/random.ts'

export const faultKinds = ['kill', 'pause', 'links', 'disk'] as const
export type FaultKind = (typeof faultKinds)[number]

export interface FaultContext {
  readonly cluster: Cluster
  readonly random: Random
  /** What it is done to first. */
  readonly target: Member
  /** Ends early what takes long. */
  readonly signal: AbortSignal
}

/** What happened, in a few words; and a number of what shows that it did, where that can be counted. */
export interface Happened {
  readonly what: string
  readonly count?: number
}

/** Does something to members, for a while, and undoes it. */
export type Fault = (context: FaultContext) => Promise<Happened>
