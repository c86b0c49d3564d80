import type { RaftConfig, RaftLimits } from './config.ts'
import { checkConfig } from './config.ts'
import type { Effects, ProposeResult, RaftStatus, Role, Write } from './effects.ts'
import { ElectionTimer, quorumOf, Tally } from './election.ts'
import { acceptAppend } from './follower.ts'
import { invariant } from './invariant.ts'
import { Leading } from './leading.ts'
import { appendResponse, staleAppendResponse, voteResponse } from './messages.ts'
import { Outbox } from './outbox.ts'
import { RaftLog } from './raft_log.ts'
import { ReadRounds } from './read_index.ts'
import { StandingState } from './standing.ts'
import { TermState } from './term_state.ts'
import type {
  AppendRequest,
  AppendResponse,
  Entry,
  HardState,
  LogView,
  MemberId,
  Message,
  ProbeRequest,
  VoteRequest,
  VoteResponse,
} from './types.ts'

/** Messages whose term counts. */
type ClaimingMessage = AppendRequest | AppendResponse | VoteRequest | VoteResponse

/**
 * The pure core of one member. The driver feeds it (tick, step, propose, …), then calls `take` until it returns
 * null, and does what the effects say. It reads no clock and does no input or output. Every method throws
 * InvariantError when an invariant is broken: the member must then stop.
 */
export class Raft {
  readonly #config: RaftConfig
  readonly #limits: RaftLimits
  readonly #log: RaftLog
  readonly #timer: ElectionTimer
  readonly #reads: ReadRounds
  readonly #state: TermState
  readonly #standing: StandingState
  readonly #outbox: Outbox
  #role: Role = 'follower'
  #leader: MemberId = 0
  #tally: Tally | null = null
  #leading: Leading | null = null
  #leaderElapsed = 0

  /** `log` and `hardState` are what storage holds durably; a member that never ran has term 0. */
  constructor(config: RaftConfig, log: LogView, hardState: HardState) {
    this.#limits = checkConfig(config)
    this.#config = config
    this.#log = new RaftLog(log, config.appliedIndex ?? 0)
    this.#timer = new ElectionTimer(config.electionTicks, config.random)
    this.#reads = new ReadRounds(config.id, quorumOf(config.members.length), this.#limits.maxReadRounds)
    this.#state = new TermState(hardState)
    this.#standing = new StandingState(config)
    this.#outbox = new Outbox(this.#log.commitIndex)
    invariant(hardState.term >= this.#log.lastTerm, 'the hard state is older than the log: a term was lost')
  }

  /** One unit of time has passed. */
  tick(): void {
    if (this.#leading !== null) {
      this.#tickLeader(this.#leading)
      return
    }
    this.#timer.tick()
    this.#outbox.sendNow(...this.#standing.tick(this.#state.term))
    if (!this.#standing.mayCampaign) return
    // A disk too slow for one campaign would only pile up terms with the next.
    if (this.#role === 'candidate' && !this.#state.isDurable) return
    const isAlone = this.#config.members.length === 1 && this.#role === 'follower'
    if (this.#timer.expired || isAlone) this.#campaignBefore()
  }

  /** A message of a peer; one from a stranger or for another member is dropped (etcd #17081). */
  step(message: Message): void {
    const { from, to, term } = message
    if (to !== this.#config.id || from === to || !this.#config.members.includes(from)) return
    if (message.type === 'probe_request') {
      this.#answerProbe(message)
      return
    }
    if (message.type === 'probe_response') {
      this.#standing.answered(message)
      return
    }
    if (term > this.#state.term) this.#stepNewer(message)
    else if (term < this.#state.term) this.#stepStale(message)
    else this.#dispatch(message)
  }

  /**
   * Appends payloads, the first at `firstIndex`. 'fenced' when `term` is not the present one or `firstIndex` not
   * the next index; 'overloaded' at a bound, or while leadership is being handed over. Anything but 'accepted'
   * appends nothing.
   */
  propose(term: number, firstIndex: number, payloads: readonly Uint8Array[]): ProposeResult {
    const leading = this.#leading
    if (leading === null) return 'not_leader'
    if (term !== leading.term || firstIndex !== this.#log.lastIndex + 1) return 'fenced'
    let bytes = 0
    for (const payload of payloads) bytes += payload.byteLength
    const applyGap = this.#log.commitIndex - this.#log.appliedIndex
    const hasRoom =
      leading.uncommitted.hasRoom(payloads.length, bytes) && applyGap <= this.#limits.maxApplyGap
    if (!hasRoom || leading.transfer.target !== 0) return 'overloaded'
    for (const payload of payloads) this.#appendOwn(leading, 'data', payload)
    return 'accepted'
  }

  /**
   * Joins the next ReadIndex round and returns its tag; many reads may get the same one. The tag comes back in
   * `Effects.reads` or `Effects.failedReads`. A retry calls this again and gets another tag.
   */
  readIndex(): number | 'not_leader' {
    return this.#leading === null ? 'not_leader' : this.#reads.join()
  }

  /** Hands leadership to `to`, or to the peer that is furthest. False when this member does not lead or nobody can take it. */
  transferLeadership(to?: MemberId): boolean {
    const leading = this.#leading
    if (leading === null) return false
    const target = to ?? leading.bestPeer()
    if (!leading.canLead(target)) return false
    leading.transfer.begin(target)
    return true
  }

  /** The write and all before it are durable, and the LogView shows them. In order; none may be left out. */
  persisted(write: Write): void {
    this.#log.persisted(write)
    if (write.hardState !== null) this.#state.persisted(write.hardState)
    if (write.becomesVoter) this.#standing.persisted()
    if (this.#role === 'candidate' && this.#state.isDurable) this.#countVote(this.#config.id, true)
    this.#commitByQuorum()
  }

  /** Entries up to `index` have been applied by the layer above. Never falls, never passes what was deliverable. */
  applied(index: number): void {
    this.#log.appliedTo(index)
  }

  /** What is to be done now, or null when there is nothing. */
  take(): Effects | null {
    this.#flush()
    this.#recover()
    const becomesVoter = this.#standing.takeChange()
    const write = this.#log.takeWrite(this.#state.term, this.#state.takeChange(), becomesVoter)
    const commit = this.#log.commitIndex
    const deliverable = Math.min(commit, this.#log.stableIndex)
    const firstIndex = this.#leading?.firstIndex ?? 0
    return this.#outbox.take(write, commit, deliverable, {
      term: this.#state.term,
      leader: this.#leader,
      firstIndex,
    })
  }

  status(): RaftStatus {
    return {
      id: this.#config.id,
      term: this.#state.term,
      vote: this.#state.vote,
      leader: this.#leader,
      role: this.#role,
      lastIndex: this.#log.lastIndex,
      lastTerm: this.#log.lastTerm,
      stableIndex: this.#log.stableIndex,
      commitIndex: this.#log.commitIndex,
      appliedIndex: this.#log.appliedIndex,
      transferee: this.#leading?.transfer.target ?? 0,
      standing: this.#standing.standing,
      waitsFor: this.#standing.waitsFor,
      peers: this.#leading?.peerStatus() ?? [],
    }
  }

  #tickLeader(leading: Leading): void {
    leading.tick()
    this.#leaderElapsed += 1
    if (this.#leaderElapsed < this.#config.electionTicks) return
    this.#leaderElapsed = 0
    if (!leading.takeQuorumActive()) this.#becomeFollower(this.#state.term, 0)
  }

  #dispatch(message: ClaimingMessage): void {
    switch (message.type) {
      case 'vote_request':
        this.#handleVoteRequest(message)
        break
      case 'vote_response':
        this.#handleVoteResponse(message)
        break
      case 'append_request':
        this.#handleAppend(message)
        break
      case 'append_response':
        this.#handleAppendResponse(message)
        break
    }
  }

  #stepNewer(message: ClaimingMessage): void {
    if (message.type === 'vote_request') {
      if (!message.transfer && this.#hearsLeader()) return
      if (message.preVote) {
        this.#handleVoteRequest(message)
        return
      }
    }
    const isRealVote = message.type === 'vote_request' && !message.preVote
    if (isRealVote) this.#standing.historyExists()
    // A granted PreVote carries the term it was asked for, which nobody has reached yet.
    const isPreVoteGrant = message.type === 'vote_response' && message.preVote && message.granted
    if (!isPreVoteGrant)
      this.#becomeFollower(message.term, message.type === 'append_request' ? message.from : 0)
    this.#dispatch(message)
  }

  /** A sender with an old term learns the present one, so that neither a leader nor a candidate stays stuck behind. */
  #stepStale(message: ClaimingMessage): void {
    const { id } = this.#config
    if (message.type === 'append_request') {
      this.#outbox.sendNow(staleAppendResponse(message, id, this.#state.term, this.#standing.voice))
    } else if (message.type === 'vote_request') {
      this.#outbox.sendNow(voteResponse(message, id, this.#state.term, false))
    }
  }

  /** The vote lease (Raft dissertation §4.2.3): while a leader is heard, nobody is helped to depose it. */
  #hearsLeader(): boolean {
    if (this.#leading !== null) return true
    return this.#leader !== 0 && this.#timer.withinLease
  }

  #handleVoteRequest(request: VoteRequest): void {
    const { term, vote } = this.#state
    const canVote =
      vote === request.from || (vote === 0 && this.#leader === 0) || (request.preVote && request.term > term)
    const granted =
      this.#standing.isVoter && canVote && this.#log.isUpToDate(request.lastIndex, request.lastTerm)
    const response = voteResponse(request, this.#config.id, term, granted)
    if (request.preVote) {
      if (granted && this.#shouldYieldTo(request)) this.#becomeFollower(term, 0)
      this.#outbox.sendNow(response)
      return
    }
    if (granted) {
      this.#state.voteFor(request.from)
      this.#timer.reset()
    }
    this.#outbox.sendAfterSync(response)
  }

  /** Of two that ask for pre-votes at once only one goes on, so that they do not split the votes. */
  #shouldYieldTo(request: VoteRequest): boolean {
    if (this.#role !== 'pre-candidate') return false
    const isEqual = request.lastTerm === this.#log.lastTerm && request.lastIndex === this.#log.lastIndex
    return !isEqual || request.from > this.#config.id
  }

  #handleVoteResponse(response: VoteResponse): void {
    const isExpected = this.#role === (response.preVote ? 'pre-candidate' : 'candidate')
    // A grant answers the campaign of exactly this term; a refusal of a PreVote comes with the voter's own.
    const campaignTerm = this.#state.term + (response.preVote && response.granted ? 1 : 0)
    if (isExpected && response.term === campaignTerm) this.#countVote(response.from, response.granted)
  }

  #countVote(from: MemberId, granted: boolean): void {
    const tally = this.#tally
    invariant(tally !== null, 'votes are counted only during a campaign')
    tally.record(from, granted)
    if (tally.result === 'won') {
      if (this.#role === 'pre-candidate') this.#campaign(false)
      else this.#becomeLeader()
    } else if (tally.result === 'lost') {
      if (this.#role === 'candidate') this.#timer.resetForRetry()
      this.#becomeFollower(this.#state.term, 0)
    }
  }

  /** PreVote (Raft dissertation §9.6): asks whether a campaign could succeed, and changes no term. */
  #campaignBefore(): void {
    invariant(this.#leading === null, 'a leader does not campaign')
    this.#role = 'pre-candidate'
    this.#leader = 0
    this.#tally = new Tally(this.#config.members.length)
    this.#timer.resetForRetry()
    this.#outbox.sendNow(...this.#voteRequests(this.#state.term + 1, true, false))
    this.#countVote(this.#config.id, true)
  }

  #campaign(isTransfer: boolean): void {
    this.#state.advance(this.#state.term + 1, this.#config.id)
    this.#role = 'candidate'
    this.#leader = 0
    this.#tally = new Tally(this.#config.members.length)
    this.#timer.reset()
    // Only once term and log are durable: a grant must not outlive a crash that takes back what it was given for.
    this.#outbox.sendAfterSync(...this.#voteRequests(this.#state.term, false, isTransfer))
  }

  #voteRequests(term: number, preVote: boolean, transfer: boolean): VoteRequest[] {
    const { id, members } = this.#config
    const { lastIndex, lastTerm } = this.#log
    return members
      .filter((to) => to !== id)
      .map((to) => ({ type: 'vote_request', from: id, to, term, preVote, transfer, lastIndex, lastTerm }))
  }

  #becomeFollower(term: number, leader: MemberId): void {
    this.#state.advance(term, 0)
    if (this.#leading !== null) {
      this.#leading = null
      this.#outbox.failReads(this.#reads.failAll())
      this.#timer.reset()
    }
    this.#role = 'follower'
    this.#leader = leader
    this.#tally = null
  }

  #becomeLeader(): void {
    invariant(this.#role === 'candidate', 'only a candidate becomes leader')
    invariant(this.#state.isDurable, "a leader's term is durable")
    const leading = new Leading(this.#state.term, this.#config, this.#limits, this.#log)
    this.#role = 'leader'
    this.#leader = this.#config.id
    this.#tally = null
    this.#leading = leading
    this.#leaderElapsed = 0
    this.#appendOwn(leading, 'noop', new Uint8Array(0))
  }

  #appendOwn(leading: Leading, kind: Entry['kind'], payload: Uint8Array): void {
    this.#log.append([{ index: this.#log.lastIndex + 1, term: leading.term, kind, payload }])
    leading.uncommitted.add(payload.byteLength)
  }

  #handleAppend(request: AppendRequest): void {
    invariant(
      this.#leading === null,
      `members ${request.from} and ${this.#config.id} both lead term ${request.term}`,
    )
    invariant(this.#leader === 0 || this.#leader === request.from, `term ${request.term} has two leaders`)
    this.#becomeFollower(request.term, request.from)
    this.#timer.reset()
    this.#standing.historyExists()
    const outcome = acceptAppend(this.#log, request)
    this.#answerAppend(request, appendResponse(request, this.#config.id, outcome, this.#standing.voice))
    if (outcome.success && request.timeoutNow && this.#standing.isVoter) this.#campaign(true)
  }

  #answerAppend(request: AppendRequest, response: AppendResponse): void {
    const { stableIndex } = this.#log
    const { isTermDurable } = this.#state
    if (!response.success || (isTermDurable && response.index <= stableIndex)) {
      this.#outbox.sendNow(response)
      return
    }
    // A heartbeat is also answered at once, with what is durable: a slow disk must not look like a dead member.
    const isHeartbeat = request.entries.length === 0
    if (isTermDurable && isHeartbeat) this.#outbox.sendNow({ ...response, index: stableIndex })
    this.#outbox.sendAfterSync(response)
  }

  #handleAppendResponse(response: AppendResponse): void {
    const leading = this.#leading
    if (leading === null) return
    leading.answered(response)
    if (leading.mustCampaign) {
      this.#becomeFollower(leading.term, 0)
      this.#campaign(true)
      return
    }
    // Who has forgotten its term cannot say that there is no later one.
    if (response.recovery === 0)
      this.#outbox.finishReads(this.#reads.confirm(response.from, response.readTag))
    this.#commitByQuorum()
  }

  #answerProbe({ from, nonce }: ProbeRequest): void {
    const { term, vote } = this.#state
    this.#outbox.sendNow({
      type: 'probe_response',
      from: this.#config.id,
      to: from,
      term,
      nonce,
      standing: this.#standing.standing,
      untouched: this.#standing.isUntouched(term, vote, this.#log.lastIndex),
      originChecksum: this.#standing.originChecksum,
    })
  }

  /** A recovering member becomes a voter: see StandingState. Its vote goes to the leader it has followed. */
  #recover(): void {
    if (this.#standing.isVoter || this.#leader === 0) return
    const index = Math.min(this.#log.commitIndex, this.#log.stableIndex)
    const { term } = this.#state
    if (this.#log.termAt(index) !== term || !this.#standing.confirmed(term)) return
    // A vote that is remembered stands: the disk may have lost no more than that this member is a voter.
    if (this.#state.vote === 0) this.#state.voteFor(this.#leader)
  }

  #commitByQuorum(): void {
    const leading = this.#leading
    if (leading === null) return
    this.#log.commitTo(leading.quorumIndex())
    leading.uncommitted.committedTo(this.#log.commitIndex)
  }

  #flush(): void {
    const leading = this.#leading
    if (leading === null) return
    if (leading.hasCommitted && this.#reads.canStart) {
      this.#outbox.finishReads(this.#reads.start(this.#log.commitIndex))
      leading.heartbeatNow()
    }
    this.#outbox.sendNow(...leading.flush(this.#reads.lastStartedTag))
  }
}
