import type { LeadershipChange } from '../../log/raft/effects.ts'
import type { MemberId } from '../../log/raft/types.ts'
import { History } from './history.ts'
import type { Invariant, ProposalOutcome } from './invariant.ts'
import { allInvariants } from './invariants/all.ts'
import { SimulatedMember } from './member.ts'
import { SimulatedNetwork } from './network.ts'
import type { Profile } from './options.ts'
import { drawProfile, tickUnits } from './options.ts'
import { Random } from './random.ts'
import { Schedule } from './schedule.ts'
import { Trace } from './trace.ts'

/** What happened in one simulation, to see that it is a hard one. */
export interface Counters {
  elections: number
  accepted: number
  acknowledged: number
  reads: number
  faults: number
}

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
  readonly counters: Counters = { elections: 0, accepted: 0, acknowledged: 0, reads: 0, faults: 0 }
  /** The newest payload id that was acknowledged in the order of the ids. */
  lastAcknowledgedId = 0

  constructor(seed: number, memberCount: number, keepsTrace: boolean, profile?: Profile) {
    this.random = new Random(seed)
    this.trace = new Trace(keepsTrace)
    this.profile = profile ?? drawProfile(this.random)
    this.memberIds = Array.from({ length: memberCount }, (_, position) => position + 1)
    this.network = new SimulatedNetwork(this.schedule, this.random, this.trace, (message) => {
      this.members[message.to - 1]?.receive(message)
    })
    this.network.faults = this.profile.network
    this.invariants = allInvariants(this.history, memberCount, () => this.members)
    this.members = this.memberIds.map((id) => new SimulatedMember(id, tickUnits, this))
    for (const member of this.members) {
      if (this.profile.isNew) member.disk.wipe('founding')
      member.start()
      this.#keepTicking(member)
    }
  }

  noteLeadership(member: SimulatedMember, change: LeadershipChange): void {
    this.trace.add(this.schedule.now, 'leader', member.id, change.term, change.leader, change.firstIndex)
    if (change.firstIndex !== 0) this.counters.elections += 1
    for (const invariant of this.invariants) invariant.leadershipChanged?.(member, change)
  }

  noteCommit(member: SimulatedMember, commit: number): void {
    if (commit <= this.history.lastIndex) return
    const from = this.history.lastIndex + 1
    for (const entry of member.log.slice(from - 1, commit)) this.history.add(entry, member.committingTerm)
    this.trace.add(this.schedule.now, 'commit', member.id, commit)
    for (const invariant of this.invariants) invariant.historyGrew?.(member, from, commit)
  }

  noteRead(member: SimulatedMember, index: number, committedAtStart: number): void {
    this.counters.reads += 1
    this.trace.add(this.schedule.now, 'read', member.id, index)
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

  #keepTicking(member: SimulatedMember): void {
    this.schedule.after(this.random.between(1, Math.max(1, 2 * member.tickPeriod - 1)), () => {
      member.tick()
      this.#keepTicking(member)
    })
  }
}
