import type { Write } from '../../../log/raft/effects.ts'
import type { Entry, HardState, LogView, Standing } from '../../../log/raft/types.ts'
import type { CountFault } from '../fault_counts.ts'
import { Violation } from '../invariant.ts'
import type { DiskFaults } from '../options.ts'
import type { Random } from '../random.ts'
import type { Schedule } from '../schedule.ts'
import type { Mark, StoredRecord } from './medium.ts'
import { Medium, recordOf, spoiled } from './medium.ts'
import { openMedium, type Refusal } from './opening.ts'

interface Queued {
  readonly write: Write
  readonly done: () => void
}

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

/**
 * One member's disk and the storage on it (log/storage): what is queued while a sync runs goes into the next batch together; a batch
 * is durable whole or not at all; a mark of its own, written behind it, says what was acknowledged; `done` is called after
 * both. A crash loses what was not synced; of what was under way, chance decides. Damage is found by a read or at the next
 * opening, and never shown.
 */
export class SimulatedDisk {
  readonly #schedule: Schedule
  readonly #random: Random
  readonly #ports: DiskPorts
  #medium = new Medium('voter')
  /** What was synced, as the process knows it. */
  #log: Entry[] = []
  #checksums: number[] = []
  #hardState: HardState = { term: 0, vote: 0 }
  #standing: Standing = 'voter'
  readonly #lost: (readonly Entry[])[] = []
  #queue: Queued[] = []
  #syncing: Queued[] = []
  /** The mark has been lowered, if it had to be, and what is syncing is being written. */
  #isWriting = false
  /** In the database, and not yet covered by the mark. */
  #written: Queued[] = []
  #mark: Mark = { index: 0, checksum: 0, hardState: { term: 0, vote: 0 } }
  #markUnderWay: Mark | null = null
  #afterMark: (() => void) | null = null
  #powerCycle = 0
  #lastReport = 0
  /** The sequence of the last write that the mark covers, since the process started. */
  markedWrite = 0
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
  }

  get hardState(): HardState {
    return this.#hardState
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
    const { records, hardState, standing } = opened
    this.#log = records.map(({ entry }) => entry)
    this.#checksums = records.map(({ checksum }) => checksum)
    this.#hardState = hardState
    this.#standing = isAlone ? 'voter' : standing
    this.#mark = { index: records.length, checksum: records.at(-1)?.checksum ?? 0, hardState }
    this.markedWrite = 0
    this.isDamaged = false
    return null
  }

  /** While the process is down: a blank disk takes the place of this one. */
  wipe(standing: Standing): void {
    this.#lost.push(this.#log)
    this.#medium = new Medium(standing)
    this.#log = []
    this.#checksums = []
    this.#hardState = { term: 0, vote: 0 }
    this.#standing = standing
    this.isDamaged = false
  }

  /** While the process is down: a copy of the disk, made before the damage, takes its place. */
  restoreCopy(): void {
    const medium = new Medium(this.#standing)
    const records = new Map<number, StoredRecord>()
    let last = 0
    for (const entry of this.#log) {
      const record = recordOf(entry, last)
      last = record.checksum
      records.set(entry.index, record)
    }
    medium.write({ records, hardState: this.#hardState, becomesVoter: false })
    medium.writeMark({ index: this.#log.length, checksum: last, hardState: this.#hardState }, false)
    this.#medium = medium
    this.isDamaged = false
  }

  /** The medium was damaged. */
  noteDamage(): void {
    this.isDamaged = true
    this.#ports.damaged()
  }

  crash(): void {
    this.#powerCycle += 1
    const isUnderWay = this.#isWriting
    const outcome = this.#random.float()
    if (this.#queue.length > 0) this.#ports.count('lost unsynced write')
    if (isUnderWay && outcome < 0.5) {
      this.#applyBatch()
    } else if (isUnderWay && outcome < 0.7) {
      this.#ports.count('torn write')
      this.#tear()
    } else if (isUnderWay) {
      this.#ports.count('lost unsynced write')
    }
    const mark = this.#markUnderWay
    const markOutcome = mark === null ? 0 : this.#random.float()
    if (mark !== null && markOutcome < 0.7) {
      if (markOutcome < 0.3) this.#ports.count('torn write')
      this.#medium.writeMark(mark, markOutcome < 0.3)
    }
    this.#syncing = []
    this.#isWriting = false
    this.#queue = []
    this.#written = []
    this.#markUnderWay = null
    this.#afterMark = null
  }

  /** Entries that are not among the newest come from the medium. */
  #read(index: number, recent: Entry): Entry {
    if (index > this.#log.length - this.faults.recentEntries) return recent
    if (this.#random.chance(this.faults.readProbability)) {
      this.#ports.count('read fault')
      throw new DiskFailure(`entry ${index} could not be read`)
    }
    const record = this.#medium.records[index - 1]
    // What is missing, or was written elsewhere, the database still has in memory; the next opening finds it.
    if (record?.isSound === false) throw new DiskFailure(`entry ${index} is damaged`)
    return recent
  }

  #sync(): void {
    if (this.#queue.length === 0 || this.#syncing.length > 0) return
    this.#syncing = this.#queue
    this.#queue = []
    let lowest = 0
    for (const { write } of this.#syncing) {
      if (write.truncateFrom !== 0) lowest = Math.min(write.truncateFrom, lowest || write.truncateFrom)
    }
    // Before acknowledged entries are replaced: a mark that still named them would report them as vanished.
    if (lowest !== 0 && lowest <= this.#mark.index) this.#lowerMark(lowest - 1)
    else this.#writeBatch()
  }

  #lowerMark(index: number): void {
    if (this.#markUnderWay !== null) {
      this.#afterMark = () => this.#lowerMark(index)
      return
    }
    this.#mark = { ...this.#mark, index, checksum: this.#checksums[index - 1] ?? 0 }
    this.#writeMark(() => this.#writeBatch())
  }

  #writeBatch(): void {
    this.#isWriting = true
    this.#later(this.slowness, () => {
      if (this.#hasFailed()) return
      const batch = this.#syncing
      this.#applyBatch()
      this.#syncing = []
      this.#isWriting = false
      this.#written.push(...batch)
      this.#markWritten()
      this.#sync()
    })
  }

  #markWritten(): void {
    if (this.#markUnderWay !== null || this.#written.length === 0) return
    const group = this.#written
    this.#written = []
    this.#mark = {
      index: this.#log.length,
      checksum: this.#checksums.at(-1) ?? 0,
      hardState: this.#hardState,
    }
    this.#writeMark(() => {
      this.markedWrite = group.at(-1)?.write.sequence ?? this.markedWrite
      this.#report(group)
      this.#markWritten()
      if (this.#markUnderWay !== null) return
      const next = this.#afterMark
      this.#afterMark = null
      next?.()
    })
  }

  #writeMark(then: () => void): void {
    const mark = this.#mark
    this.#markUnderWay = mark
    this.#later(Math.max(1, this.slowness >> 2), () => {
      if (this.#hasFailed()) return
      this.#markUnderWay = null
      this.#medium.writeMark(mark, false)
      then()
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

  #applyBatch(): void {
    const records = new Map<number, StoredRecord | undefined>()
    let hardState: HardState | null = null
    let becomesVoter = false
    for (const { write } of this.#syncing) {
      const removed = write.truncateFrom === 0 ? [] : this.#log.splice(write.truncateFrom - 1)
      for (const { index } of removed) records.set(index, undefined)
      if (removed.length > 0) this.#checksums.length = this.#log.length
      for (const entry of write.entries) {
        const record = recordOf(entry, this.#checksums.at(-1) ?? 0)
        records.set(entry.index, record)
        this.#log.push(entry)
        this.#checksums.push(record.checksum)
      }
      if (write.hardState !== null) this.#hardState = hardState = write.hardState
      if (write.becomesVoter) this.#standing = 'voter'
      becomesVoter ||= write.becomesVoter
      if (this.#log.length !== write.lastIndex) {
        throw new Violation('storage', `write ${write.sequence} left a hole in the log`)
      }
      this.#ports.durable(write, removed)
    }
    const before = this.#misdirected(records)
    this.#medium.write({ records, hardState, becomesVoter })
    if (before !== null) this.#misdirect(before)
  }

  /** The place of a write of this batch that goes astray, with what is there now; null for none. */
  #misdirected(records: ReadonlyMap<number, StoredRecord | undefined>) {
    if (!this.#random.chance(this.faults.misdirectProbability)) return null
    const written = [...records].filter(([, record]) => record !== undefined)
    if (written.length === 0 || this.isDamaged || !this.#ports.mayDamage()) return null
    const [index] = this.#random.pick(written)
    return { index, before: this.#medium.records[index - 1] }
  }

  #misdirect({ index, before }: { readonly index: number; readonly before: StoredRecord | undefined }): void {
    const to = this.#random.between(1, this.#log.length + 2)
    if (to === index) return
    this.#ports.count('misdirected write')
    this.#medium.misdirect(index, to, before)
    this.noteDamage()
  }

  /** Of a batch whose sync was under way, something lies behind the end that nobody acknowledged. */
  #tear(): void {
    const last = this.#syncing.findLast(({ write }) => write.truncateFrom === 0)?.write.entries.at(-1)
    if (last === undefined || last.index <= this.#log.length) return
    this.#medium.write({
      records: new Map([[last.index, spoiled(recordOf(last, 0))]]),
      hardState: null,
      becomesVoter: false,
    })
  }
}
