import type { LeadershipChange } from '../../log/raft/effects.ts'
import type { MemberId } from '../../log/raft/types.ts'
import { type FaultCounts, type FaultName, noFaults } from './fault_counts.ts'
import { History } from './history.ts'
import type { Invariant, ProposalOutcome } from './invariant.ts'
import { allInvariants } from './invariants/all.ts'
import { SimulatedMember } from './member.ts'
import { SimulatedNetwork } from './network.ts'
import type { Profile } from './options.ts'
import { drawProfile } from './options.ts'
import { Random } from './random.ts'
import { Schedule } from './schedule.ts'
import { Trace } from './trace.ts'

/** What happened in one simulation, to see that it is a hard one. */
export interface Counters {
  elections: number
  accepted: number
  acknowledged: number
  reads: number
}

/** Streams of the seed: what is done, what is asked, and what each part draws for itself do not disturb one another. */
export const streams = { faults: 1, clients: 2, network: 3, clientsAfterwards: 4, members: 8 } as const

/** Between the streams of two variants. */
const variantDistance = 64

/** Everything there is in one simulation. */
export class World {
  readonly schedule = new Schedule()
  readonly random: Random
  readonly trace: Trace
  readonly profile: Profile
  readonly history = new History()
  readonly memberIds: readonly MemberId[]
  readonly members: readonly SimulatedMember[]
  readonly network: SimulatedNetwork
  readonly invariants: readonly Invariant[]
  readonly counters: Counters = { elections: 0, accepted: 0, acknowledged: 0, reads: 0 }
  readonly faultCounts: FaultCounts = noFaults()
  /** Payload ids are 1, 2, 3, … */
  lastProposedId = 0
  /** The newest payload id that was acknowledged in the order of the ids. */
  lastAcknowledgedId = 0

  /** Without `profile` it is drawn. A `variant` draws differently for network and members, and the same for all else. */
  constructor(
    seed: number,
    memberCount: number,
    keepsTrace: boolean,
    profile: Profile | null = null,
    variant = 0,
  ) {
    this.random = new Random(seed)
    const drawnProfile = drawProfile(this.random)
    this.profile = profile ?? drawnProfile
    this.trace = new Trace(keepsTrace)
    this.memberIds = Array.from({ length: memberCount }, (_, position) => position + 1)
    const stream = (number: number): Random => new Random(seed, number + variant * variantDistance)
    this.network = new SimulatedNetwork(
      this.schedule,
      stream(streams.network),
      this.trace,
      (fault) => this.count(fault),
      (message) => this.members[message.to - 1]?.receive(message),
    )
    this.network.faults = this.profile.network
    this.invariants = allInvariants(this.history, memberCount, () => this.members)
    const randoms = this.memberIds.map((id) => stream(streams.members + id))
    this.members = this.memberIds.map(
      (id, position) => new SimulatedMember(id, randoms[position] ?? this.random, this),
    )
    for (const [position, member] of this.members.entries()) {
      if (this.profile.isNew) member.disk.wipe('founding')
      member.start()
      this.#keepTicking(member, randoms[position] ?? this.random)
    }
  }

  count(fault: FaultName): void {
    this.faultCounts[fault] += 1
  }

  noteLeadership(member: SimulatedMember, change: LeadershipChange): void {
    const { term, leader, firstIndex } = change
    if (leader === 0) this.trace.add(this.schedule.now, '# sees nobody lead term #', member.id, term)
    else if (firstIndex === 0) {
      this.trace.add(this.schedule.now, '# sees # lead term #', member.id, leader, term)
    } else {
      this.trace.add(this.schedule.now, '# leads term # from entry # on', member.id, term, firstIndex)
      this.counters.elections += 1
    }
    for (const invariant of this.invariants) invariant.leadershipChanged?.(member, change)
  }

  noteCommit(member: SimulatedMember, commit: number): void {
    if (commit <= this.history.lastIndex) return
    const from = this.history.lastIndex + 1
    for (let index = from; index <= commit; index += 1) {
      const entry = member.log[index - 1]
      if (entry !== undefined) this.history.add(entry, member.committingTerm)
    }
    this.trace.add(this.schedule.now, '# commits #', member.id, commit)
    for (const invariant of this.invariants) invariant.historyGrew?.(member, from, commit)
  }

  noteRead(member: SimulatedMember, index: number, committedAtStart: number): void {
    this.counters.reads += 1
    this.trace.add(this.schedule.now, '# answers a read at #', member.id, index)
    const read = { member: member.id, committedAtStart }
    for (const invariant of this.invariants) invariant.readFinished?.(member, index, read)
  }

  settleProposal(id: number, index: number, outcome: ProposalOutcome): void {
    if (outcome === 'accepted') this.counters.accepted += 1
    if (outcome === 'acknowledged') {
      this.counters.acknowledged += 1
      this.lastAcknowledgedId = Math.max(this.lastAcknowledgedId, id)
    }
    for (const invariant of this.invariants) invariant.proposalSettled?.(id, index, outcome)
  }

  #keepTicking(member: SimulatedMember, random: Random): void {
    this.schedule.after(random.between(1, Math.max(1, 2 * member.clock.period - 1)), () => {
      member.tick()
      this.#keepTicking(member, random)
    })
  }
}
