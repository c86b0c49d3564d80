import { defaultLimits, type RaftLimits } from '../config.ts'
import { describe } from '../describe.ts'
import type { Effects, Write } from '../effects.ts'
import { Raft } from '../raft.ts'
import type { Entry, HardState, LogView, MemberId, Message, Standing } from '../types.ts'

/** A disk that keeps what is synced, and lets a test hold syncs back. */
class MemoryDisk {
  log: Entry[] = []
  hardState: HardState = { term: 0, vote: 0 }
  standing: Standing = 'voter'
  isHeld = false

  readonly view: LogView = {
    lastIndex: () => this.log.length,
    termAt: (index) => {
      const term = index === 0 ? 0 : this.log[index - 1]?.term
      if (term === undefined) throw new RangeError(`no stored entry ${index}`)
      return term
    },
    entries: (from, to, limitBytes) => {
      const entries: Entry[] = []
      let bytes = 0
      for (const entry of this.log.slice(from - 1, to)) {
        bytes += entry.payload.byteLength
        if (bytes > limitBytes && entries.length > 0) break
        entries.push(entry)
      }
      return entries
    },
  }

  write(write: Write): void {
    if (write.truncateFrom !== 0) this.log.length = write.truncateFrom - 1
    this.log.push(...write.entries)
    if (write.hardState !== null) this.hardState = write.hardState
    if (write.becomesVoter) this.standing = 'voter'
  }
}

export interface ClusterMember {
  readonly id: MemberId
  readonly disk: MemoryDisk
  raft: Raft
  isRunning: boolean
  /** Writes that are not synced yet, each with the messages that wait for it. */
  waiting: { readonly write: Write; readonly messages: Message[] }[]
  /** Everything the core asked for since the start. */
  effects: Effects[]
}

export const electionTicks = 10
export const heartbeatTicks = 2

/**
 * A cluster in one process, for tests and transcripts: nothing happens by itself. Messages arrive in the order they were
 * sent, and syncs are instantaneous unless they are held back.
 */
export class Cluster {
  readonly members = new Map<MemberId, ClusterMember>()
  readonly inTransit: Message[] = []
  readonly #cut = new Set<string>()
  readonly #delivered: Message[] = []
  readonly #ids: readonly MemberId[]
  #limits: Partial<RaftLimits>
  #draws = 0
  /** Told of all that happens. */
  onEvent: (text: string) => void = () => {}

  constructor(size: 1 | 3 | 5, limits: Partial<RaftLimits> = {}) {
    this.#ids = Array.from({ length: size }, (_, position) => position + 1)
    this.#limits = limits
    for (const id of this.#ids) {
      const disk = new MemoryDisk()
      this.members.set(id, {
        id,
        disk,
        raft: this.#start(id, disk),
        isRunning: true,
        waiting: [],
        effects: [],
      })
    }
  }

  member(id: MemberId): ClusterMember {
    const member = this.members.get(id)
    if (member === undefined) throw new RangeError(`no member ${id}`)
    return member
  }

  raft(id: MemberId): Raft {
    return this.member(id).raft
  }

  tick(id: MemberId, count = 1): void {
    for (let tick = 0; tick < count; tick += 1) {
      this.raft(id).tick()
      this.work(id)
    }
  }

  /** Ticks the member until it asks for votes. The others' clocks stand still, so their vote lease may hold. */
  campaign(id: MemberId): void {
    for (
      let tick = 0;
      tick < 2 * electionTicks && this.raft(id).status().role !== 'pre-candidate';
      tick += 1
    ) {
      this.raft(id).tick()
    }
    this.work(id)
  }

  /** Makes the member the leader: the others' leases run out first. */
  elect(id: MemberId): void {
    for (const other of this.#ids)
      if (other !== id && this.member(other).isRunning) this.tick(other, electionTicks)
    this.campaign(id)
    this.stabilize()
  }

  propose(id: MemberId, ...texts: readonly string[]): string {
    const { term, lastIndex } = this.raft(id).status()
    const payloads = texts.map((text) => new TextEncoder().encode(text))
    const result = this.raft(id).propose(term, lastIndex + 1, payloads)
    this.work(id)
    return result
  }

  readIndex(id: MemberId): number | 'not_leader' {
    const tag = this.raft(id).readIndex()
    this.work(id)
    return tag
  }

  /** Hands a message to its member at once, whatever is in transit. */
  deliver(message: Message): void {
    const member = this.member(message.to)
    if (!member.isRunning) return
    this.#delivered.push(message)
    member.raft.step(message)
    this.work(message.to)
  }

  /** Restarts all members with another limit. */
  limit(name: string, value: number): void {
    if (!Object.hasOwn(defaultLimits, name)) throw new RangeError(`no such limit: ${name}`)
    this.#limits = { ...this.#limits, [name]: value }
    for (const id of this.#ids) {
      this.crash(id)
      this.restart(id)
    }
  }

  /** The newest append on the link that began with entry `index` arrives a second time. */
  repeat(from: MemberId, to: MemberId, index: number): void {
    const again = this.#delivered.findLast(
      (message) => message.from === from && message.to === to && firstEntry(message) === index,
    )
    if (again === undefined) throw new RangeError(`${from} has sent ${to} no entries from ${index} on`)
    this.onEvent(`again ${describe(again)}`)
    this.deliver(again)
  }

  /** Delivers what is in transit, and what that causes, until all is quiet. */
  stabilize(): void {
    for (let count = 0; count < 10_000; count += 1) {
      const message = this.inTransit.shift()
      if (message === undefined) return
      if (this.#cut.has(`${message.from}>${message.to}`)) {
        this.onEvent(`lost ${describe(message)}`)
        continue
      }
      this.onEvent(describe(message))
      this.deliver(message)
    }
    throw new RangeError('the cluster does not come to rest')
  }

  /** One direction. */
  cut(from: MemberId, to: MemberId): void {
    this.#cut.add(`${from}>${to}`)
  }

  isolate(id: MemberId): void {
    for (const other of this.#ids) {
      this.cut(id, other)
      this.cut(other, id)
    }
  }

  heal(): void {
    this.#cut.clear()
  }

  holdDisk(id: MemberId): void {
    this.member(id).disk.isHeld = true
  }

  /** Completes the syncs that were held back, and holds no more. */
  releaseDisk(id: MemberId): void {
    this.member(id).disk.isHeld = false
    this.work(id)
  }

  /** What is not synced is lost. */
  crash(id: MemberId): void {
    const member = this.member(id)
    member.isRunning = false
    member.waiting = []
  }

  /** A blank disk takes the place of this one, and the process starts again on it. */
  replaceDisk(id: MemberId, standing: Standing): void {
    this.crash(id)
    const { disk } = this.member(id)
    disk.log = []
    disk.hardState = { term: 0, vote: 0 }
    disk.standing = standing
    this.restart(id)
  }

  restart(id: MemberId): void {
    const member = this.member(id)
    member.isRunning = true
    member.disk.isHeld = false
    member.effects = []
    member.raft = this.#start(id, member.disk)
  }

  /** Does what the core of this member asks for. */
  work(id: MemberId): void {
    const member = this.member(id)
    if (!member.isRunning) return
    for (let round = 0; round < 1_000; round += 1) {
      const effects = member.raft.take()
      if (effects !== null) this.#perform(member, effects)
      const isSynced = !member.disk.isHeld && this.#sync(member)
      if (effects === null && !isSynced) return
    }
    throw new RangeError(`member ${id} always has something to do`)
  }

  #perform(member: ClusterMember, effects: Effects): void {
    member.effects.push(effects)
    const { write, leadership, commit, reads, failedReads } = effects
    if (leadership !== null) {
      const who = leadership.leader === 0 ? 'nobody' : `${leadership.leader}`
      this.onEvent(`${member.id} sees ${who} lead term ${leadership.term}`)
    }
    if (write !== null) {
      member.waiting.push({ write, messages: [] })
      this.onEvent(`${member.id} writes ${describeWrite(write)}`)
    }
    this.inTransit.push(...effects.messagesNow)
    const last = member.waiting.at(-1)
    if (last === undefined) this.inTransit.push(...effects.messagesAfterSync)
    else last.messages.push(...effects.messagesAfterSync)
    for (const { tag, index } of reads) this.onEvent(`${member.id} read ${tag} may be answered at ${index}`)
    for (const tag of failedReads) this.onEvent(`${member.id} read ${tag} failed`)
    const before = member.effects.at(-2)
    if (commit !== (before?.commit ?? 0)) this.onEvent(`${member.id} commits ${commit}`)
    if (effects.deliverable > member.raft.status().appliedIndex) member.raft.applied(effects.deliverable)
  }

  #sync(member: ClusterMember): boolean {
    const done = member.waiting.shift()
    if (done === undefined) return false
    member.disk.write(done.write)
    this.inTransit.push(...done.messages)
    member.raft.persisted(done.write)
    return true
  }

  #start(id: MemberId, disk: MemoryDisk): Raft {
    // Nearly the same each time, so that what happens is easy to follow.
    const random = (): number => {
      this.#draws += 1
      return 0.9 + this.#draws / 1e9
    }
    const { standing } = disk
    const config = { id, members: this.#ids, electionTicks, heartbeatTicks, random, limits: this.#limits }
    return new Raft({ ...config, standing }, disk.view, disk.hardState)
  }
}

function firstEntry(message: Message): number | undefined {
  return message.type === 'append_request' ? message.entries[0]?.index : undefined
}

function describeWrite(write: Write): string {
  const parts: string[] = []
  if (write.hardState !== null) parts.push(`term ${write.hardState.term} vote ${write.hardState.vote}`)
  if (write.becomesVoter) parts.push('that it has a vote')
  if (write.truncateFrom !== 0) parts.push(`without ${write.truncateFrom} and later`)
  if (write.entries.length > 0) {
    parts.push(`entries ${write.entries.map((entry) => `${entry.index}/${entry.term}`).join(' ')}`)
  }
  return parts.join(', ')
}
