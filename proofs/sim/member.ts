import type { Effects, Write } from '../../log/raft/effects.ts'
import { Raft } from '../../log/raft/raft.ts'
import type { Entry, MemberId, Message, Standing } from '../../log/raft/types.ts'
import { SimulatedDisk } from './disk.ts'
import type { Observed } from './invariant.ts'
import { Violation } from './invariant.ts'
import type { World } from './world.ts'

interface Proposal {
  readonly id: number
  readonly term: number
}

interface Held {
  /** Completions of storage keep their order; messages and requests sit in sockets, and come in any. */
  readonly isOrdered: boolean
  readonly run: () => void
}

/** One member: the core, a driver that does what its effects say, and the disk that outlives its crashes. */
export class SimulatedMember implements Observed {
  readonly id: MemberId
  readonly disk: SimulatedDisk
  /** In units of time. */
  tickPeriod: number
  incarnation = 0
  term = 0
  leadingTerm = 0
  committingTerm = 0
  appliedIndex = 0
  commitIndex = 0
  readonly #world: World
  #raft: Raft | null = null
  #log: Entry[] = []
  #deliverable = 0
  #isApplying = false
  #isTurnDue = false
  /** The newest write that is not reported durable, and the messages that wait for each. */
  #waiting: { readonly write: Write; readonly messages: Message[] }[] = []
  /** What happened to a paused process. */
  #held: Held[] | null = null
  #proposals = new Map<number, Proposal>()
  /** What was known to be committed when the reads of a round began. */
  #reads = new Map<number, number>()

  constructor(id: MemberId, tickPeriod: number, world: World) {
    this.id = id
    this.#world = world
    this.tickPeriod = tickPeriod
    this.disk = new SimulatedDisk(world.schedule, world.random)
    this.disk.slowness = world.profile.diskSlowness
    this.disk.onDurable = (write, removed) => {
      for (const invariant of world.invariants) invariant.writeDurable?.(this, write, removed)
    }
  }

  get log(): readonly Entry[] {
    return this.#log
  }

  get durableLog(): readonly Entry[] {
    return this.disk.log
  }

  get lostLogs(): readonly (readonly Entry[])[] {
    return this.disk.lost
  }

  /** Its standing is durable: it stays one, whatever crashes. */
  get isVoter(): boolean {
    return this.disk.standing === 'voter'
  }

  get durableTerm(): number {
    return this.disk.hardState.term
  }

  get durableVote(): MemberId {
    return this.disk.hardState.vote
  }

  /** What a client of this process learns: ahead of `log` until the turn ends. */
  get lastIndex(): number {
    return this.#raft?.status().lastIndex ?? 0
  }

  start(): void {
    if (this.#raft !== null) return
    const { schedule, random, profile, memberIds, trace, invariants } = this.#world
    this.incarnation += 1
    this.#log = [...this.disk.log]
    // A checkpoint of the layer above may be as new as what it applied, or missing.
    this.appliedIndex = random.chance(0.5) ? this.appliedIndex : 0
    this.commitIndex = this.appliedIndex
    this.#deliverable = this.appliedIndex
    this.term = this.disk.hardState.term
    trace.add(schedule.now, 'start', this.id, this.term, this.#log.length, this.appliedIndex)
    this.#raft = new Raft(
      {
        id: this.id,
        members: memberIds,
        electionTicks: profile.electionTicks,
        heartbeatTicks: profile.heartbeatTicks,
        random: () => random.float(),
        appliedIndex: this.appliedIndex,
        limits: profile.limits,
        standing: this.disk.standing,
      },
      this.disk.view,
      this.disk.hardState,
    )
    for (const invariant of invariants) invariant.started?.(this)
  }

  crash(): void {
    if (this.#raft === null) return
    this.#world.trace.add(this.#world.schedule.now, 'crash', this.id)
    this.#raft = null
    this.disk.crash()
    this.leadingTerm = 0
    this.#isApplying = false
    this.#isTurnDue = false
    this.#waiting = []
    this.#held = null
    this.#proposals.clear()
    this.#reads.clear()
  }

  /** The disk is lost; the process starts again on a blank one. */
  wipe(standing: Standing): void {
    this.crash()
    this.#world.trace.add(this.#world.schedule.now, `wipe ${standing}`, this.id)
    this.disk.wipe(standing)
    this.appliedIndex = 0
    for (const invariant of this.#world.invariants) invariant.wiped?.(this)
  }

  /** SIGSTOP: what would happen is kept until `resume`. */
  pause(): void {
    if (this.#raft !== null && this.#held === null) this.#held = []
  }

  resume(): void {
    const held = this.#held ?? []
    this.#held = null
    const { schedule, random } = this.#world
    for (const { isOrdered, run } of held) {
      if (isOrdered) run()
      else schedule.after(random.between(0, 30), run)
    }
  }

  tick(): void {
    if (this.#held === null) this.#drive((raft) => raft.tick())
  }

  receive(message: Message): void {
    if (this.#raft !== null) this.#world.trace.message(this.#world.schedule.now, 'receive', message)
    this.#drive((raft) => raft.step(message))
  }

  transferLeadership(to: MemberId): void {
    this.#drive((raft) => raft.transferLeadership(to === this.id ? undefined : to))
  }

  /** A client proposes to this member; it believes what `term` and `firstIndex` say. */
  propose(
    term: number,
    firstIndex: number,
    payloads: readonly { readonly id: number; readonly payload: Uint8Array }[],
  ) {
    this.#drive((raft) => {
      const result = raft.propose(
        term,
        firstIndex,
        payloads.map(({ payload }) => payload),
      )
      this.#world.trace.add(this.#world.schedule.now, result, this.id, firstIndex, payloads.length)
      for (const [position, { id }] of payloads.entries()) {
        const index = firstIndex + position
        if (result === 'accepted') this.#proposals.set(index, { id, term })
        this.#world.settleProposal(id, index, result === 'accepted' ? 'accepted' : 'refused')
      }
    })
  }

  /** A client asks this member for a linearizable read. */
  read(): void {
    const committedAtStart = this.#world.history.lastIndex
    this.#drive((raft) => {
      const tag = raft.readIndex()
      if (tag === 'not_leader') return
      const before = this.#reads.get(tag) ?? 0
      this.#reads.set(tag, Math.max(before, committedAtStart))
    })
  }

  /** True when everything in its log is committed, durable and applied. */
  isSettledAt(index: number): boolean {
    return this.#log.length === index && this.disk.log.length === index && this.appliedIndex === index
  }

  #drive(action: (raft: Raft) => void, isOrdered = false): void {
    if (this.#held !== null) {
      this.#hold(action, isOrdered)
      return
    }
    const raft = this.#raft
    if (raft === null) return
    action(raft)
    const { schedule, random, profile } = this.#world
    if (profile.turnMax === 0) {
      this.#endTurn()
    } else if (!this.#isTurnDue) {
      this.#isTurnDue = true
      const { incarnation } = this
      schedule.after(random.between(1, profile.turnMax), () => {
        if (incarnation === this.incarnation) this.#drive(() => this.#endTurn(), true)
      })
    }
  }

  /** Does what the core asks for: after everything that happened in one turn of the driver's loop. */
  #endTurn(): void {
    this.#isTurnDue = false
    const raft = this.#raft
    for (let round = 0; ; round += 1) {
      const effects = raft?.take() ?? null
      if (effects === null) return
      if (round > 100) throw new Violation('termination', `member ${this.id} has always something more to do`)
      this.#perform(effects)
    }
  }

  #hold(action: (raft: Raft) => void, isOrdered: boolean): void {
    const { incarnation } = this
    const run = (): void => {
      if (incarnation === this.incarnation) this.#drive(action, isOrdered)
    }
    this.#held?.push({ isOrdered, run })
  }

  #perform(effects: Effects): void {
    const { invariants } = this.#world
    const { leadership, write } = effects
    if (leadership !== null) {
      this.term = leadership.term
      const leadingTerm = leadership.firstIndex === 0 ? 0 : leadership.term
      this.committingTerm = leadingTerm === 0 ? this.leadingTerm : leadingTerm
      this.leadingTerm = leadingTerm
      if (this.leadingTerm === 0) this.#proposals.clear()
      this.#world.noteLeadership(this, leadership)
    }
    if (write !== null) this.#performWrite(write)
    this.#world.noteCommit(this, effects.commit)
    this.commitIndex = effects.commit
    for (const invariant of invariants) invariant.commitReported?.(this, effects.commit, effects.deliverable)
    this.#acknowledge()
    for (const message of effects.messagesNow) this.#send(message)
    const last = this.#waiting.at(-1)
    if (last === undefined) for (const message of effects.messagesAfterSync) this.#send(message)
    else last.messages.push(...effects.messagesAfterSync)
    for (const { tag, index } of effects.reads) this.#finishRead(tag, index)
    for (const tag of effects.failedReads) this.#reads.delete(tag)
    this.#deliverable = effects.deliverable
    this.committingTerm = this.leadingTerm
    this.#scheduleApply()
  }

  #performWrite(write: Write): void {
    const removed = write.truncateFrom === 0 ? [] : this.#log.splice(write.truncateFrom - 1)
    this.#log.push(...write.entries)
    for (const invariant of this.#world.invariants) invariant.writeTaken?.(this, write, removed)
    this.#waiting.push({ write, messages: [] })
    const incarnation = this.incarnation
    this.disk.write(write, () => {
      if (incarnation === this.incarnation) this.#writeDone(write)
    })
  }

  #writeDone(write: Write): void {
    this.#drive((raft) => {
      const done = this.#waiting.shift()
      if (done?.write !== write) throw new Violation('storage', 'writes completed out of order')
      this.#world.trace.add(this.#world.schedule.now, 'synced', this.id, write.sequence, write.lastIndex)
      for (const message of done.messages) this.#send(message)
      raft.persisted(write)
    }, true)
  }

  #send(message: Message): void {
    for (const invariant of this.#world.invariants) invariant.sending?.(this, message)
    this.#world.network.send(message)
  }

  #acknowledge(): void {
    for (const [index, { id, term }] of this.#proposals) {
      if (index > this.commitIndex) break
      this.#proposals.delete(index)
      // The term at the index tells whether it is the entry proposed; the oracle looks at the payload.
      if (this.#log[index - 1]?.term === term) this.#world.settleProposal(id, index, 'acknowledged')
    }
  }

  #finishRead(tag: number, index: number): void {
    const committedAtStart = this.#reads.get(tag)
    if (committedAtStart === undefined)
      throw new Violation('linearizable read', `round ${tag} finished twice`)
    this.#reads.delete(tag)
    this.#world.noteRead(this, index, committedAtStart)
  }

  #scheduleApply(): void {
    if (this.#isApplying || this.#deliverable <= this.appliedIndex) return
    this.#isApplying = true
    const { schedule, random, profile } = this.#world
    const incarnation = this.incarnation
    schedule.after(random.between(1, profile.applyDelayMax), () => {
      if (incarnation === this.incarnation) this.#drive((raft) => this.#apply(raft))
    })
  }

  #apply(raft: Raft): void {
    this.#isApplying = false
    const entries = this.disk.view.entries(this.appliedIndex + 1, this.#deliverable, 1_000)
    for (const entry of entries) {
      for (const invariant of this.#world.invariants) invariant.applied?.(this, entry)
      this.appliedIndex = entry.index
    }
    raft.applied(this.appliedIndex)
    this.#scheduleApply()
  }
}
