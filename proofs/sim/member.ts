import type { Effects, Write } from '../../log/raft/effects.ts'
import { Raft } from '../../log/raft/raft.ts'
import type { Entry, MemberId, Message, Standing } from '../../log/raft/types.ts'
import { mayDamage } from './atlas.ts'
import { DiskFailure, SimulatedDisk } from './disk/disk.ts'
import type { Observed } from './invariant.ts'
import { Violation } from './invariant.ts'
import { tickUnits } from './options.ts'
import type { Random } from './random.ts'
import { Requests } from './requests.ts'
import type { World } from './world.ts'

interface Held {
  /** Completions of storage keep their order; messages and requests sit in sockets, and come in any. */
  readonly isOrdered: boolean
  readonly run: () => void
}

/** One member: the core, a driver that does what its effects say, and the disk that outlives its crashes. */
export class SimulatedMember implements Observed {
  readonly id: MemberId
  readonly disk: SimulatedDisk
  /** In units of time. While it has stopped there are no ticks. */
  readonly clock = { period: tickUnits, stopsUntil: 0 }
  /** The machine is off: nothing starts it. */
  isOff = false
  incarnation = 0
  term = 0
  leadingTerm = 0
  committingTerm = 0
  appliedIndex = 0
  commitIndex = 0
  readonly #world: World
  readonly #random: Random
  readonly #requests: Requests
  #raft: Raft | null = null
  #log: Entry[] = []
  #deliverable = 0
  #isApplying = false
  #isTurnDue = false
  /** The newest write that is not reported durable, and the messages that wait for each. */
  #waiting: { readonly write: Write; readonly messages: Message[] }[] = []
  /** What happened to a paused process. */
  #held: Held[] | null = null

  constructor(id: MemberId, random: Random, world: World) {
    this.id = id
    this.#world = world
    this.#random = random
    this.#requests = new Requests(world)
    this.disk = new SimulatedDisk(world.schedule, random, world.profile.disk, {
      durable: (write, removed) => {
        for (const invariant of world.invariants) invariant.writeDurable?.(this, write, removed)
      },
      failed: () => this.#diskFailed(),
      damaged: () => {
        for (const invariant of world.invariants) invariant.damaged?.(this)
      },
      count: (fault) => world.count(fault),
      mayDamage: () => this.mayDamage,
    })
    this.disk.slowness = world.profile.diskSlowness
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

  /** Everything on its disk is what was written there. */
  get isSound(): boolean {
    return !this.disk.isDamaged
  }

  get durableWrite(): number {
    return this.disk.durableWrite
  }

  get mayDamage(): boolean {
    return mayDamage(this.#world.members, this)
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

  startAfter(units: number): void {
    this.#world.schedule.after(units, () => this.start())
  }

  start(): void {
    if (this.#raft !== null || this.isOff) return
    const { schedule, profile, memberIds, trace, invariants, members } = this.#world
    if (this.#random.chance(this.disk.faults.readProbability)) {
      this.#world.count('read fault')
      this.startAfter(this.#random.between(1, 100))
      return
    }
    const refusal = this.disk.open(members.length === 1)
    if (refusal !== null) {
      this.#refuse(refusal)
      return
    }
    this.incarnation += 1
    this.#log = [...this.disk.log]
    // A checkpoint of the layer above may be as new as what it applied, or missing.
    this.appliedIndex = this.#random.chance(0.5) ? this.appliedIndex : 0
    this.commitIndex = this.appliedIndex
    this.#deliverable = this.appliedIndex
    this.term = this.disk.hardState.term
    trace.add(
      schedule.now,
      `# starts as ${this.disk.standing} in term #, with # entries, # of them applied`,
      this.id,
      this.term,
      this.#log.length,
      this.appliedIndex,
    )
    for (const invariant of invariants) invariant.started?.(this)
    this.#raft = new Raft(
      {
        id: this.id,
        members: memberIds,
        electionTicks: profile.electionTicks,
        heartbeatTicks: profile.heartbeatTicks,
        random: () => this.#random.float(),
        appliedIndex: this.appliedIndex,
        limits: profile.limits,
        standing: this.disk.standing,
      },
      this.disk.view,
      this.disk.hardState,
    )
  }

  crash(): void {
    if (this.#raft === null) return
    this.#world.trace.add(this.#world.schedule.now, '# crashes', this.id)
    this.#raft = null
    this.disk.crash()
    this.leadingTerm = 0
    this.#isApplying = false
    this.#isTurnDue = false
    this.#waiting = []
    this.#held = null
    this.#requests.clear()
  }

  /** The disk is lost; the process starts again on a blank one. */
  wipe(standing: Standing): void {
    this.crash()
    this.#world.trace.add(this.#world.schedule.now, `# has a blank disk, as ${standing}`, this.id)
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
    const { schedule } = this.#world
    for (const { isOrdered, run } of held) {
      if (isOrdered) run()
      else schedule.after(this.#random.between(0, 30), run)
    }
  }

  tick(): void {
    if (this.#held === null && this.clock.stopsUntil <= this.#world.schedule.now) {
      this.#drive((raft) => raft.tick())
    }
  }

  receive(message: Message): void {
    if (this.#raft !== null) this.#world.trace.message(this.#world.schedule.now, 'receives', message)
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
      const count = payloads.length
      this.#world.trace.add(
        this.#world.schedule.now,
        `# has # entries at #: ${result}`,
        this.id,
        count,
        firstIndex,
      )
      for (const [position, { id }] of payloads.entries()) {
        this.#requests.proposed(id, firstIndex + position, term, result === 'accepted')
      }
    })
  }

  /** A client asks this member for a linearizable read. */
  read(): void {
    const committedAtStart = this.#world.history.lastIndex
    this.#drive((raft) => {
      const tag = raft.readIndex()
      if (tag !== 'not_leader') this.#requests.readBegan(tag, committedAtStart)
    })
  }

  /** True when everything in its log is committed, durable and applied. */
  isSettledAt(index: number): boolean {
    return this.#log.length === index && this.disk.log.length === index && this.appliedIndex === index
  }

  /** Storage never tries again: the process ends, and whoever supervises it starts another. */
  #diskFailed(): void {
    this.#world.trace.add(this.#world.schedule.now, '# stops: its disk has failed', this.id)
    this.crash()
    this.startAfter(this.#random.between(1, 300))
  }

  /** The operator does what the message says: lets it recover, or puts a copy of the disk in when it is alone. */
  #refuse(refusal: string): void {
    const { trace, schedule, members } = this.#world
    this.#world.count('refused start')
    trace.add(schedule.now, `# does not start: ${refusal}`, this.id)
    if (this.isSound)
      throw new Violation('restart', `member ${this.id} does not start after mere crashes: ${refusal}`)
    schedule.after(this.#random.between(1, 100), () => {
      if (this.isSound || this.#raft !== null) return
      if (members.length === 1) this.disk.restoreCopy()
      else this.wipe(this.#random.chance(0.3) ? 'founding' : 'recovering')
      this.start()
    })
  }

  #drive(action: (raft: Raft) => void, isOrdered = false): void {
    if (this.#held !== null) {
      this.#hold(action, isOrdered)
      return
    }
    const raft = this.#raft
    if (raft === null) return
    try {
      action(raft)
      this.#finishTurn()
    } catch (error) {
      if (!(error instanceof DiskFailure)) throw error
      this.#diskFailed()
    }
  }

  #finishTurn(): void {
    const { schedule, profile } = this.#world
    if (profile.turnMax === 0) {
      this.#endTurn()
    } else if (!this.#isTurnDue) {
      this.#isTurnDue = true
      const { incarnation } = this
      schedule.after(this.#random.between(1, profile.turnMax), () => {
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
      if (this.leadingTerm === 0) this.#requests.leadershipLost()
      this.#world.noteLeadership(this, leadership)
    }
    if (write !== null) this.#performWrite(write)
    this.#world.noteCommit(this, effects.commit)
    this.commitIndex = effects.commit
    for (const invariant of invariants) invariant.commitReported?.(this, effects.commit, effects.deliverable)
    this.#requests.committed(this.commitIndex, this.#log)
    for (const message of effects.messagesNow) this.#send(message)
    const last = this.#waiting.at(-1)
    if (last === undefined) for (const message of effects.messagesAfterSync) this.#send(message)
    else last.messages.push(...effects.messagesAfterSync)
    for (const { tag, index } of effects.reads) {
      this.#world.noteRead(this, index, this.#requests.readFinished(tag))
    }
    for (const tag of effects.failedReads) this.#requests.readFailed(tag)
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
      this.#world.trace.add(
        this.#world.schedule.now,
        '# has synced write #, log to #',
        this.id,
        write.sequence,
        write.lastIndex,
      )
      for (const invariant of this.#world.invariants) invariant.writeReported?.(this, write)
      for (const message of done.messages) this.#send(message)
      raft.persisted(write)
    }, true)
  }

  #send(message: Message): void {
    for (const invariant of this.#world.invariants) invariant.sending?.(this, message)
    this.#world.network.send(message)
  }

  #scheduleApply(): void {
    if (this.#isApplying || this.#deliverable <= this.appliedIndex) return
    this.#isApplying = true
    const { schedule, profile } = this.#world
    const incarnation = this.incarnation
    schedule.after(this.#random.between(1, profile.applyDelayMax), () => {
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
