import type { Write } from '../../../log/raft/effects.ts'
import type { Entry, HardState, LogView, Standing } from '../../../log/raft/types.ts'
import type { CountFault } from '../fault_counts.ts'
import { Violation } from '../invariant.ts'
import type { DiskFaults } from '../options.ts'
import type { Random } from '../random.ts'
import type { Schedule } from '../schedule.ts'
import { type Group, joined, linked, type Queued, takeGroup } from './group.ts'
import { MarkKeeper, unmarkedMax } from './mark_keeper.ts'
import { Medium, markOf } from './medium.ts'
import { openMedium, type Refusal } from './opening.ts'

/** A read that failed: the member stops, as storage has it. */
export class DiskFailure extends Error {}

export interface DiskPorts {
  /** Told of every write that became durable, before its own `done`. */
  readonly durable: (write: Write, removed: readonly Entry[]) => void
  /** A write or a sync failed: the process must stop, and never try again. */
  readonly failed: () => void
  readonly count: CountFault
  /** Something on the medium is no more what was written. */
  readonly damaged: () => void
  /** May this disk lose what is on it? Enough others must be left (see atlas.ts). */
  readonly mayDamage: () => boolean
}

/** A group that is being written, and what it holds. */
interface UnderWay {
  readonly queued: readonly Queued[]
  readonly group: Group
}

/**
 * One member's disk and the storage on it (log/storage): what is queued while a write is under way goes into the next group together; a
 * group is durable whole or not at all, and `done` is called once it is; the mark, which names a durable group, follows by itself.
 * A crash loses what was not written; of what was under way, chance decides. Damage is found by a read or at the next
 * opening, and never shown.
 */
export class SimulatedDisk {
  readonly #schedule: Schedule
  readonly #random: Random
  readonly #ports: DiskPorts
  readonly #keeper: MarkKeeper
  #medium = new Medium('voter')
  /** What is durable, as the process knows it. */
  #log: Entry[] = []
  /** The group that each entry is in, and the last of all. */
  #groups: Group[] = []
  #last: Group
  #standing: Standing = 'voter'
  readonly #lost: (readonly Entry[])[] = []
  #queue: Queued[] = []
  #underWay: UnderWay | null = null
  /** A group that the disk reported as written, and did not write anywhere. */
  #unwritten: { readonly group: Group; readonly at: number } | null = null
  #powerCycle = 0
  #lastReport = 0
  /** The sequence of the last write that is durable, since the process started. */
  durableWrite = 0
  /** Something on the medium is not what was written, and no opening has found it yet. */
  isDamaged = false
  /** The longest a sync takes, in units of time. */
  slowness = 6
  faults: DiskFaults

  constructor(schedule: Schedule, random: Random, faults: DiskFaults, ports: DiskPorts) {
    this.#schedule = schedule
    this.#random = random
    this.#ports = ports
    this.faults = faults
    this.#last = firstGroup(this.#medium)
    this.#keeper = new MarkKeeper({
      later: (longest, run) => this.#later(longest, run),
      hasFailed: () => this.#hasFailed(),
      slowness: () => this.slowness,
      torn: () => ports.count('torn write'),
    })
  }

  get hardState(): HardState {
    return this.#last.hardState
  }

  get standing(): Standing {
    return this.#standing
  }

  get medium(): Medium {
    return this.#medium
  }

  /** What it held each time it was wiped. */
  get lost(): readonly (readonly Entry[])[] {
    return this.#lost
  }

  get log(): readonly Entry[] {
    return this.#log
  }

  readonly view: LogView = {
    lastIndex: () => this.#log.length,
    termAt: (index) => {
      if (index === 0) return 0
      const entry = this.#log[index - 1]
      if (entry === undefined) throw new RangeError(`no stored entry ${index}`)
      return this.#read(index, entry).term
    },
    entries: (from, to, limitBytes) => {
      const entries: Entry[] = []
      let bytes = 0
      const end = Math.min(to, this.#log.length)
      for (let index = from; index <= end; index += 1) {
        const entry = this.#log[index - 1]
        if (entry === undefined) break
        bytes += entry.payload.byteLength
        if (bytes > limitBytes && entries.length > 0) break
        entries.push(index === from || this.isDamaged ? this.#read(index, entry) : entry)
      }
      return entries
    },
  }

  /** `done` is called some time after the write is durable, in order, unless a crash comes between. */
  write(write: Write, done: () => void): void {
    this.#queue.push({ write, done })
    this.#sync()
  }

  /** What a process finds that starts, or why it must not. */
  open(isAlone: boolean): Refusal | null {
    const opened = openMedium(this.#medium)
    if (typeof opened === 'string') return opened
    this.#log = [...opened.log]
    this.#groups = [...opened.groups]
    this.#last = opened.last
    this.#standing = isAlone ? 'voter' : opened.standing
    this.durableWrite = 0
    this.isDamaged = false
    return null
  }

  /** While the process is down: a blank disk takes the place of this one. */
  wipe(standing: Standing): void {
    this.#lost.push(this.#log)
    this.#medium = new Medium(standing)
    this.#log = []
    this.#groups = []
    this.#last = firstGroup(this.#medium)
    this.#standing = standing
    this.#unwritten = null
    this.isDamaged = false
  }

  /** While the process is down: a copy of the disk, made before the damage, takes its place. */
  restoreCopy(): void {
    const medium = new Medium(this.#standing)
    const { sequence, link } = firstGroup(medium)
    const isVoter = this.#standing === 'voter'
    const state = { hardState: this.hardState, isVoter, baseIndex: 0, entries: [...this.#log] }
    const copy = linked({ sequence: sequence + 1, previousLink: link, ...state })
    medium.write(copy)
    medium.writeMark(markOf(copy), false)
    this.#medium = medium
    this.#unwritten = null
    this.isDamaged = false
  }

  /** The medium was damaged. */
  noteDamage(): void {
    this.isDamaged = true
    this.#ports.damaged()
  }

  crash(): void {
    this.#powerCycle += 1
    const underWay = this.#underWay
    const outcome = this.#random.float()
    if (this.#queue.length > 0) this.#ports.count('lost unsynced write')
    if (underWay !== null && outcome < 0.5) {
      this.#apply(underWay)
    } else if (underWay !== null) {
      this.#ports.count(outcome < 0.7 ? 'torn write' : 'lost unsynced write')
      this.#medium.interrupt(underWay.group, outcome < 0.7)
    }
    this.#keeper.crash(this.#medium, this.#random)
    this.#keepWhatNothingWitnesses()
    this.#underWay = null
    this.#queue = []
  }

  /** Entries that are not among the newest come from the medium. */
  #read(index: number, recent: Entry): Entry {
    if (index > this.#log.length - this.faults.recentEntries) return recent
    if (this.#random.chance(this.faults.readProbability)) {
      this.#ports.count('read fault')
      throw new DiskFailure(`entry ${index} could not be read`)
    }
    const group = this.#groups[index - 1]
    const placed = group === undefined ? null : this.#medium.at(group.sequence)
    if (placed?.state !== 'whole') throw new DiskFailure(`entry ${index} is damaged or missing`)
    if (placed.group.link !== group?.link) throw new DiskFailure(`entry ${index} is stored as another`)
    return placed.group.entries[index - group.baseIndex - 1] ?? recent
  }

  #sync(): void {
    if (this.#queue.length === 0 || this.#underWay !== null) return
    const queued = takeGroup(this.#queue)
    const group = joined(
      queued.map(({ write }) => write),
      this.#last,
    )
    const underWay = { queued, group }
    this.#underWay = underWay
    this.#later(this.slowness, () => {
      if (this.#hasFailed()) return
      this.#apply(underWay)
      this.#underWay = null
      this.#keeper.note(markOf(group), this.#medium)
      this.#report(queued)
      this.#sync()
    })
  }

  /** The report comes later than the fact, but reports never overtake one another. */
  #report(group: readonly Queued[]): void {
    this.#lastReport = Math.max(this.#lastReport, this.#schedule.now + this.#random.between(0, 2))
    const powerCycle = this.#powerCycle
    this.#schedule.after(this.#lastReport - this.#schedule.now, () => {
      if (powerCycle !== this.#powerCycle) return
      for (const { done } of group) done()
    })
  }

  #later(longest: number, run: () => void): void {
    const powerCycle = this.#powerCycle
    this.#schedule.after(this.#random.between(1, longest), () => {
      if (powerCycle === this.#powerCycle) run()
    })
  }

  #hasFailed(): boolean {
    if (!this.#random.chance(this.faults.writeProbability)) return false
    this.#ports.count('write fault')
    this.#ports.failed()
    return true
  }

  #apply({ queued, group }: UnderWay): void {
    let { hardState } = this.#last
    for (const { write } of queued) {
      const removed = write.truncateFrom === 0 ? [] : this.#log.splice(write.truncateFrom - 1)
      this.#log.push(...write.entries)
      hardState = write.hardState ?? hardState
      this.#last = { ...group, hardState }
      if (write.becomesVoter) this.#standing = 'voter'
      if (this.#log.length !== write.lastIndex) {
        throw new Violation('storage', `write ${write.sequence} left a hole in the log`)
      }
      this.durableWrite = write.sequence
      this.#ports.durable(write, removed)
    }
    this.#last = group
    this.#groups.length = group.baseIndex
    for (const _ of group.entries) this.#groups.push(group)
    this.#medium.write(group)
    this.#mayGoAstray(group)
  }

  /** The disk says that it has written a group, and has not, or elsewhere. */
  #mayGoAstray(group: Group): void {
    if (!this.#random.chance(this.faults.misdirectProbability)) return
    if (this.isDamaged || !this.#ports.mayDamage()) return
    const { sequence } = group
    const to = this.#random.between(this.#medium.firstSequence, sequence + 2)
    if (to === sequence) return
    if (this.#random.chance(0.3)) {
      this.#ports.count('lost write')
      this.#medium.lose(sequence)
      this.#unwritten = { group, at: this.#schedule.now }
    } else {
      this.#ports.count('misdirected write')
      this.#medium.misdirect(sequence, to)
    }
    this.noteDamage()
  }

  /**
   * Storage cannot notice that the disk lost the end, as long as neither mark nor group names it (docs/decisions/0010): what it does
   * not promise is not held against it, so such a disk has written the group after all.
   */
  #keepWhatNothingWitnesses(): void {
    const unwritten = this.#unwritten
    this.#unwritten = null
    if (unwritten === null || this.#medium.isWitnessed(unwritten.group.sequence)) return
    if (this.#schedule.now - unwritten.at > unmarkedMax)
      throw new Violation(
        'storage',
        `no mark names group ${unwritten.group.sequence}, which is durable for long`,
      )
    this.#medium.write(unwritten.group)
  }
}

/** The one that formatting wrote. */
function firstGroup(medium: Medium): Group {
  const first = medium.at(1)
  if (first === null) throw new RangeError('the disk is not formatted')
  return first.group
}
