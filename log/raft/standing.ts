import type { RaftConfig } from './config.ts'
import { quorumOf } from './election.ts'
import { invariant } from './invariant.ts'
import type { Voice } from './messages.ts'
import type { MemberId, Origin, ProbeRequest, ProbeResponse, Standing } from './types.ts'

const blank: Origin = { index: 0, term: 0, checksum: 0 }
const nonces = 2 ** 48
/** How long a founder waits for the others to be founders, too, in election timeouts: else the last of them would have to recover. */
const settlingTimeouts = 10

/**
 * How this member stands, and how it becomes a voter.
 *
 * A founding member may vote once every other member has said that it, too, is as it was formatted: nobody has voted
 * yet, so nothing is forgotten. Where somebody has, a member with a blank log recovers.
 *
 * A recovering member was wiped, perhaps: it has forgotten its votes and what it acknowledged. It asks a quorum of voters,
 * itself not counted, for their terms. Whatever it acknowledged was for a leader of at most the highest of them: a
 * quorum knew that leader, and two quorums without it still meet. Once a leader of a later term has committed an
 * entry without it and it holds that entry durably, it holds all it ever helped to commit, and nobody can still win
 * an election with a vote that it has forgotten: who would vote for him holds that entry, and he did not.
 */
export class StandingState {
  readonly #config: RaftConfig
  readonly #origin: Origin
  readonly #nonce: number
  #standing: Standing
  /** A write that makes it a voter is under way. */
  #isPromoted = false
  #isHanded = false
  #answers = new Map<MemberId, ProbeResponse>()
  #neededTerm = 0
  #probeElapsed: number
  /** Ticks for which this founder does not campaign yet. */
  #settling = 0

  constructor(config: RaftConfig) {
    this.#config = config
    this.#origin = config.origin ?? blank
    this.#standing = config.standing ?? 'voter'
    // A voter draws nothing: what it does must not depend on how it became one.
    this.#nonce = this.#standing === 'voter' ? 0 : 1 + Math.floor(config.random() * nonces)
    this.#probeElapsed = config.heartbeatTicks
  }

  get standing(): Standing {
    return this.#standing
  }

  get isVoter(): boolean {
    return this.#standing === 'voter'
  }

  get mayCampaign(): boolean {
    return this.isVoter && this.#settling === 0
  }

  /** What its answers to appends say of it. */
  get voice(): Voice {
    return this.isVoter
      ? { recovery: 0, neededTerm: 0 }
      : { recovery: this.#nonce, neededTerm: this.#neededTerm }
  }

  /** True when term, vote and log are those of the origin: this member never promised anything. */
  isUntouched(term: number, vote: MemberId, lastIndex: number): boolean {
    if (this.#standing === 'recovering') return false
    return term === this.#origin.term && vote === 0 && lastIndex === this.#origin.index
  }

  get originChecksum(): number {
    return this.#origin.checksum
  }

  /** The questions that are due. */
  tick(term: number): ProbeRequest[] {
    if (this.#settling > 0) this.#settling -= 1
    else if (this.isVoter || this.#isPromoted) return []
    if (this.#standing === 'founding' && this.#config.members.length === 1) this.#isPromoted = true
    this.#probeElapsed += 1
    if (this.#probeElapsed < this.#config.heartbeatTicks || this.#neededTerm > 0) return []
    this.#probeElapsed = 0
    const { id: from, members } = this.#config
    return members
      .filter((to) => to !== from)
      .map((to) => ({ type: 'probe_request', from, to, term, nonce: this.#nonce }))
  }

  answered(response: ProbeResponse): void {
    if (response.nonce !== this.#nonce) return
    if (this.#settling > 0) {
      this.#answers.set(response.from, response)
      const isSettled = [...this.#answers.values()].every(({ standing }) => standing === 'voter')
      if (isSettled) this.#settling = 0
    }
    if (this.isVoter || this.#isPromoted) return
    this.#answers.set(response.from, response)
    if (this.#standing === 'founding') this.#found(response)
    else this.#learnTerm()
  }

  /** Others have voted or lead: this cluster is not new. */
  historyExists(): void {
    this.#settling = 0
    if (this.#standing !== 'founding' || this.#isPromoted) return
    invariant(
      this.#origin.index === 0,
      'this directory was restored from a backup, and the other members have gone on without it: restore the backup on all ' +
        'members, or let this one recover (ultracloud member recover)',
    )
    this.#standing = 'recovering'
    this.#answers.clear()
  }

  /**
   * The leader of `term` has committed an entry of this term that is durable here. True when this makes the member
   * a voter: the caller stores that, and that leader as its vote.
   */
  confirmed(term: number): boolean {
    const isLater = this.#neededTerm > 0 && term >= this.#neededTerm
    if (this.#standing !== 'recovering' || this.#isPromoted || !isLater) return false
    this.#isPromoted = true
    return true
  }

  /** True once, when the next write has to make this member a voter. */
  takeChange(): boolean {
    const isDue = this.#isPromoted && !this.#isHanded
    this.#isHanded = this.#isPromoted
    return isDue
  }

  persisted(): void {
    const { members, electionTicks } = this.#config
    if (this.#standing === 'founding' && members.length > 1) this.#settling = settlingTimeouts * electionTicks
    this.#standing = 'voter'
  }

  get waitsFor(): string {
    const { id, members } = this.#config
    const missing = members.filter((member) => member !== id && !this.#isUseful(this.#answers.get(member)))
    if (this.isVoter) return ''
    if (this.#standing === 'founding')
      return `founds the cluster, once every member was formatted (member format) and runs: waits for ${missing.join(', ')}`
    if (this.#neededTerm > 0)
      return `recovers: has a vote again once it holds what a leader of term ${this.#neededTerm} or later has committed`
    const needed = quorumOf(members.length)
    return `recovers: needs answers of ${needed} members that did not lose their disks, has ${members.length - 1 - missing.length}; waits for ${missing.join(', ')}`
  }

  #isUseful(answer: ProbeResponse | undefined): boolean {
    if (answer === undefined) return false
    if (this.#standing === 'recovering') return answer.standing === 'voter'
    return answer.untouched && answer.originChecksum === this.#origin.checksum
  }

  #found(response: ProbeResponse): void {
    if (response.standing === 'voter' && !response.untouched) {
      this.historyExists()
      return
    }
    const useful = [...this.#answers.values()].filter((answer) => this.#isUseful(answer))
    this.#isPromoted = useful.length === this.#config.members.length - 1
  }

  #learnTerm(): void {
    const voters = [...this.#answers.values()].filter((answer) => this.#isUseful(answer))
    if (voters.length < quorumOf(this.#config.members.length)) return
    this.#neededTerm = 1 + Math.max(...voters.map(({ term }) => term))
  }
}
