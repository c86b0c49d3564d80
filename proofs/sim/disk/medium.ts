import type { Entry, HardState, Standing } from '../../../log/raft/types.ts'
import { payloadId } from '../history.ts'

/** One entry as it lies on the medium, chained to the one before it. */
export interface StoredRecord {
  readonly entry: Entry
  readonly checksum: number
  readonly previousChecksum: number
  /** Its bytes are those that were written. */
  readonly isSound: boolean
}

/** What was acknowledged, kept apart from the database (log/storage/mark.ts). */
export interface Mark {
  readonly index: number
  readonly checksum: number
  readonly hardState: HardState
}

interface Slot {
  readonly mark: Mark
  readonly sequence: number
}

/** One atomic batch of the database's own log, with what it replaced. */
interface Journaled {
  readonly records: ReadonlyMap<number, StoredRecord | undefined>
  readonly hardState: StoredHardState | null
  readonly madeVoter: boolean
}

interface StoredHardState {
  readonly value: HardState
  readonly isSound: boolean
}

export interface Batch {
  /** By index; undefined where a record is deleted. */
  readonly records: ReadonlyMap<number, StoredRecord | undefined>
  readonly hardState: HardState | null
  readonly becomesVoter: boolean
}

/** The batches that the database has not yet moved from its own log to its tables. */
const journalMax = 6
const blankHardState: StoredHardState = { value: { term: 0, vote: 0 }, isSound: true }
const blankMark: Mark = { index: 0, checksum: 0, hardState: blankHardState.value }

/** What is physically there: it changes by writes and by damage, and says nothing of itself. */
export class Medium {
  /** Entry `index` at `index - 1`. */
  readonly records: (StoredRecord | undefined)[] = []
  readonly #journal: Journaled[] = []
  readonly #slots: (Slot | null)[] = [{ mark: blankMark, sequence: 0 }, null]
  /** That of the newest slot, as the running process knows it. */
  #sequence = 0
  hardState: StoredHardState = blankHardState
  isVoter: boolean
  /** As it was formatted. */
  readonly standing: Standing

  constructor(standing: Standing) {
    // A voter was a founder once, and became one by a write.
    this.standing = standing === 'voter' ? 'founding' : standing
    this.isVoter = standing === 'voter'
  }

  /** As a process reads it when it starts. Null when no slot can be read. */
  openMark(): Mark | null {
    let newest: Slot | null = null
    for (const slot of this.#slots) {
      if (slot !== null && (newest === null || slot.sequence > newest.sequence)) newest = slot
    }
    if (newest !== null) this.#sequence = newest.sequence
    return newest?.mark ?? null
  }

  /** The two slots are written in turn: a torn write leaves one that cannot be read, and the other as it was. */
  writeMark(mark: Mark, isTorn: boolean): void {
    this.#sequence += 1
    this.#slots[this.#sequence % 2] = isTorn ? null : { mark, sequence: this.#sequence }
  }

  /** Atomic, as a batch of the database is. */
  write(batch: Batch): void {
    const records = new Map<number, StoredRecord | undefined>()
    for (const [index, record] of batch.records) {
      records.set(index, this.records[index - 1])
      this.#put(index, record)
    }
    const hardState = batch.hardState === null ? null : this.hardState
    this.#journal.push({ records, hardState, madeVoter: batch.becomesVoter && !this.isVoter })
    if (this.#journal.length > journalMax) this.#journal.shift()
    if (batch.hardState !== null) this.hardState = { value: batch.hardState, isSound: true }
    if (batch.becomesVoter) this.isVoter = true
  }

  /** A bit of a table flips, or of a batch that is torn: the record's own checksum tells. */
  spoil(index: number): void {
    const record = this.records[index - 1]
    if (record !== undefined) this.records[index - 1] = spoiled(record)
  }

  spoilHardState(): void {
    this.hardState = { ...this.hardState, isSound: false }
  }

  spoilMarks(isBoth: boolean): void {
    this.#slots[this.#sequence % 2] = null
    if (isBoth) this.#slots[(this.#sequence + 1) % 2] = null
  }

  /** One of the batches in the database's own log replaced entries. */
  get hasReplaced(): boolean {
    return this.#lastReplacing >= 0
  }

  get #lastReplacing(): number {
    return this.#journal.findLastIndex(({ records }) => [...records.values()].some(Boolean))
  }

  /**
   * A bit of the database's own log flips: it drops the batch silently, and replays the later ones. Every second `place` is in a
   * batch that replaced entries, if there is one: they come back. False when there is no batch.
   */
  dropBatch(place: number): boolean {
    const replacing = this.#lastReplacing
    const newest = this.#journal.length - 1
    const drawn = newest - Math.min(Math.floor(place / 2) % journalMax, Math.floor(place / 16) % journalMax)
    const position = place % 2 === 0 && replacing >= 0 ? replacing : drawn
    const dropped = this.#journal[position]
    if (dropped === undefined) return false
    const later = this.#journal.slice(position + 1)
    for (const [index, before] of dropped.records) {
      if (!later.some(({ records }) => records.has(index))) this.#put(index, before)
    }
    if (dropped.hardState !== null && !later.some(({ hardState }) => hardState !== null)) {
      this.hardState = dropped.hardState
    }
    if (dropped.madeVoter) this.isVoter = false
    this.#journal.splice(position, 1)
    return true
  }

  /** An opening moves the database's own log to its tables, and drops what lies behind the end. */
  settle(lastIndex: number): void {
    this.#journal.length = 0
    this.records.length = lastIndex
  }

  /** A write went to another place: it is missing at its own, and in the way at the other. */
  misdirect(index: number, to: number, before: StoredRecord | undefined): void {
    const record = this.records[index - 1]
    this.#put(index, before)
    this.#put(to, record)
  }

  #put(index: number, record: StoredRecord | undefined): void {
    while (this.records.length < index) this.records.push(undefined)
    this.records[index - 1] = record
    while (this.records.length > 0 && this.records.at(-1) === undefined) this.records.pop()
  }
}

/** Its bytes are others, and its checksum tells. */
export function spoiled(record: StoredRecord): StoredRecord {
  const payload = new Uint8Array([0xff, ...record.entry.payload.subarray(1), 0, 0, 0])
  return { ...record, entry: { ...record.entry, payload }, isSound: false }
}

/** The record of an entry behind the one with `previousChecksum`. */
export function recordOf(entry: Entry, previousChecksum: number): StoredRecord {
  let checksum = previousChecksum
  for (const field of [entry.index, entry.term, entry.kind === 'noop' ? 1 : 2, payloadId(entry)]) {
    checksum = Math.imul(checksum ^ field, 16_777_619)
    checksum ^= checksum >>> 15
  }
  return { entry, checksum: checksum >>> 0, previousChecksum, isSound: true }
}
