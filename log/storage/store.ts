import { join } from 'node:path'
import type { Entry, HardState, LogView } from '../raft/types.ts'
import { encodeEntry, recordLength, type StoredEntry } from './entry.ts'
import { StorageError } from './errors.ts'
import { directoryBytes } from './files.ts'
import type { Identity } from './identity.ts'
import type { Mark, MarkFile } from './mark.ts'
import { type OpenParts, openParts } from './open.ts'
import { RecentEntries } from './recent.ts'
import { sealBlock } from './seal.ts'
import type { Segments } from './segments.ts'
import { type Tail, TailBatch } from './tail.ts'

/** What must become durable together, in one synced batch. `truncateFrom` is 0 when nothing is replaced. */
export interface Change {
  readonly hardState: HardState | null
  readonly truncateFrom: number
  readonly entries: readonly Entry[]
}

interface Queued {
  readonly change: Change
  readonly records: readonly StoredEntryRecord[]
  /** The last entry of the log once this is done. */
  readonly lastIndex: number
  readonly lastCrc: number
  /** What the LogView shows then: less than `lastIndex` when a later change already replaces entries of this one. */
  shownIndex: number
  readonly done: () => void
}

interface StoredEntryRecord {
  readonly index: number
  readonly record: Buffer
}

const batchBytesMax = 8 * 1024 * 1024
const batchEntriesMax = 4096
const recentEntriesMax = 16_384
const recentBytesMax = 32 * 1024 * 1024
const sizeAgeMillisecondsMax = 1000

/**
 * The durable log of one member. Changes are written in order, in group commit: what is queued while a sync is under
 * way goes out with the next. Each change takes two steps that are pipelined: the synced batch of the database, then the
 * high-water mark; `done` is called after both, and from then on the LogView shows the change.
 */
export class LogStore implements LogView {
  readonly identity: Identity
  readonly blockEntries: number
  readonly #directory: string
  readonly #tail: Tail
  readonly #segments: Segments
  readonly #mark: MarkFile
  readonly #recent = new RecentEntries(recentEntriesMax, recentBytesMax)
  readonly #failed: (error: StorageError) => void
  /** All that is not done, in order: queued, being written, written, being marked. */
  readonly #pending: Queued[] = []
  #queue: Queued[] = []
  /** Written to the database, not yet covered by the mark. */
  #written: Queued[] = []
  #writing: Promise<void> | undefined
  #marking: Promise<void> | undefined
  #sealing: Promise<void> | undefined
  #hardState: HardState
  /** The end of the log as queued, as written, and as shown. */
  #plannedIndex: number
  #plannedCrc: number
  #writtenIndex: number
  #writtenMark: Mark
  #lastIndex: number
  #commitIndex: number
  #failure: StorageError | undefined
  #closed = false
  #sizeBytes = 0
  #sizeAt = 0

  private constructor(directory: string, parts: OpenParts, failed: (error: StorageError) => void) {
    this.#directory = directory
    this.identity = parts.identity
    this.blockEntries = parts.identity.blockEntries
    this.#tail = parts.tail
    this.#segments = parts.segments
    this.#mark = parts.mark
    this.#failed = failed
    this.#hardState = parts.hardState
    this.#plannedIndex = parts.lastIndex
    this.#plannedCrc = parts.lastCrc
    this.#writtenIndex = parts.lastIndex
    this.#writtenMark = parts.mark.mark
    this.#lastIndex = parts.lastIndex
    this.#commitIndex = parts.segments.lastIndex
    for (const stored of parts.recent) this.#recent.add(stored)
    this.#recent.shrink(parts.lastIndex)
  }

  /**
   * Opens a directory, or formats a blank one. Verifies identity, tail, high-water mark and the link to the last
   * segment; the time does not grow with history. `failed` is called at most once, when a write fails: nothing is
   * taken afterwards. Throws StorageError.
   */
  static async open(
    directory: string,
    identity: Identity,
    failed: (error: StorageError) => void,
    blockEntries?: number,
  ): Promise<LogStore> {
    const store = new LogStore(directory, await openParts(directory, identity, blockEntries), failed)
    await store.#measure()
    return store
  }

  get hardState(): HardState {
    return this.#hardState
  }

  /** Sealed entries are committed: 1 to this index. */
  get sealedIndex(): number {
    return this.#segments.lastIndex
  }

  get segments(): Segments {
    return this.#segments
  }

  lastIndex(): number {
    return this.#lastIndex
  }

  termAt(index: number): number {
    if (index === 0) return 0
    this.#checkRange(index)
    if (index <= this.#segments.lastIndex) {
      return this.#recent.get(index)?.entry.term ?? this.#segments.termAt(index)
    }
    return this.#stored(index).entry.term
  }

  entries(from: number, to: number, limitBytes: number): readonly Entry[] {
    const end = Math.min(to, this.#lastIndex)
    const entries: Entry[] = []
    let bytes = 0
    let next = Math.max(from, 1)
    while (next <= end) {
      const known = this.#recent.get(next)?.entry
      const sealed = known === undefined && next <= this.#segments.lastIndex
      const found = sealed
        ? this.#segments.entries(next, end, limitBytes - bytes)
        : [known ?? this.#stored(next).entry]
      for (const entry of found) {
        bytes += entry.payload.length
        if (entries.length > 0 && bytes > limitBytes) return entries
        entries.push(entry)
      }
      next += found.length
    }
    return entries
  }

  /** Throws StorageError MISUSE when the change does not follow what is queued, and the failure once there was one. */
  append(change: Change, done: () => void): void {
    if (this.#failure !== undefined) throw this.#failure
    if (this.#closed) throw new StorageError('MISUSE', 'the log is closed')
    if (change.truncateFrom > 0) this.#planTruncation(change.truncateFrom)
    const records = change.entries.map((entry) => this.#plan(entry))
    if (change.hardState !== null) this.#hardState = change.hardState
    const lastIndex = this.#plannedIndex
    const queued = { change, records, lastIndex, lastCrc: this.#plannedCrc, shownIndex: lastIndex, done }
    this.#queue.push(queued)
    this.#pending.push(queued)
    this.#writing ??= this.#run(this.#writeQueue()).finally(() => {
      this.#writing = undefined
    })
  }

  /** Entries up to `index` are committed: full blocks of them are sealed in the background. */
  committed(index: number): void {
    this.#commitIndex = Math.max(this.#commitIndex, index)
    this.#startSealing()
  }

  /** Bytes on disk, at most about a second old. */
  sizeBytes(): number {
    if (Date.now() - this.#sizeAt > sizeAgeMillisecondsMax && !this.#closed) {
      this.#sizeAt = Date.now()
      void this.#measure().catch(() => undefined)
    }
    return this.#sizeBytes
  }

  /** Resolves once nothing is being written or sealed. */
  async settled(): Promise<void> {
    while (this.#writing !== undefined || this.#marking !== undefined || this.#sealing !== undefined) {
      await Promise.all([this.#writing, this.#marking, this.#sealing])
    }
  }

  /** Finishes what is queued, then closes. No `done` is called after a failure. */
  async close(): Promise<void> {
    if (this.#closed) return
    this.#closed = true
    await this.settled()
    await this.#mark.close()
    await this.#tail.close()
  }

  #checkRange(index: number): void {
    if (index >= 1 && index <= this.#lastIndex) return
    throw new RangeError(`index ${index} is outside of 0 to ${this.#lastIndex}`)
  }

  #stored(index: number): StoredEntry {
    const known = this.#recent.get(index)
    if (known !== undefined) return known
    try {
      return this.#tail.read(index)
    } catch (error) {
      const cause = error instanceof Error ? error.message : String(error)
      throw this.#fail(new StorageError('TAIL_DAMAGED', `entry ${index}: ${cause}`))
    }
  }

  #crcAt(index: number): number {
    if (index === 0) return 0
    if (index <= this.#segments.lastIndex) return this.#segments.crcAt(index)
    return this.#stored(index).crc
  }

  #planTruncation(from: number): void {
    if (from <= this.#segments.lastIndex || from <= this.#commitIndex) {
      throw this.#fail(new StorageError('MISUSE', `entry ${from} is committed and cannot be replaced`))
    }
    if (from > this.#plannedIndex) {
      throw this.#fail(new StorageError('MISUSE', `entry ${from} is not in the log and cannot be replaced`))
    }
    this.#plannedCrc = this.#crcAt(from - 1)
    this.#plannedIndex = from - 1
    this.#recent.truncate(from)
    this.#lastIndex = Math.min(this.#lastIndex, from - 1)
    for (const pending of this.#pending) pending.shownIndex = Math.min(pending.shownIndex, from - 1)
  }

  #plan(entry: Entry): StoredEntryRecord {
    if (entry.index !== this.#plannedIndex + 1) {
      throw this.#fail(
        new StorageError('MISUSE', `entry ${entry.index} does not follow entry ${this.#plannedIndex}`),
      )
    }
    const record = Buffer.allocUnsafe(recordLength(entry))
    const previousCrc = this.#plannedCrc
    const crc = encodeEntry(entry, previousCrc, record)
    this.#plannedIndex = entry.index
    this.#plannedCrc = crc
    this.#recent.add({ entry, crc, previousCrc })
    return { index: entry.index, record }
  }

  async #writeQueue(): Promise<void> {
    while (this.#queue.length > 0) {
      const group = this.#takeGroup()
      const lowest = Math.min(...group.map(({ change }) => change.truncateFrom || Number.POSITIVE_INFINITY))
      if (lowest <= this.#writtenMark.index) await this.#lowerMark(lowest - 1)
      await this.#tail.write(this.#batchOf(group))
      const last = group.at(-1)
      if (last === undefined) return
      const hardState = group.findLast(({ change }) => change.hardState !== null)?.change.hardState
      this.#writtenIndex = last.lastIndex
      this.#writtenMark = {
        index: last.lastIndex,
        crc: last.lastCrc,
        hardState: hardState ?? this.#writtenMark.hardState,
      }
      this.#written.push(...group)
      this.#marking ??= this.#run(this.#markWritten()).finally(() => {
        this.#marking = undefined
      })
    }
  }

  #takeGroup(): Queued[] {
    let count = 0
    let bytes = 0
    let entries = 0
    for (const { records } of this.#queue) {
      entries += records.length
      for (const { record } of records) bytes += record.length
      if (count > 0 && (entries > batchEntriesMax || bytes > batchBytesMax)) break
      count += 1
    }
    return this.#queue.splice(0, count)
  }

  #batchOf(group: readonly Queued[]): TailBatch {
    const batch = new TailBatch()
    let last = this.#writtenIndex
    let hardState: HardState | null = null
    for (const { change, records, lastIndex } of group) {
      if (change.truncateFrom > 0) batch.deleteRecords(change.truncateFrom, last)
      for (const { index, record } of records) batch.putRecord(index, record)
      last = lastIndex
      hardState = change.hardState ?? hardState
    }
    if (hardState !== null) batch.putHardState(hardState)
    return batch
  }

  /** Before acknowledged entries are replaced: a mark that still named them would report them as vanished. */
  async #lowerMark(index: number): Promise<void> {
    while (this.#marking !== undefined) await this.#marking
    if (this.#failure !== undefined) throw this.#failure
    this.#writtenMark = { ...this.#writtenMark, index, crc: this.#crcAt(index) }
    await this.#mark.write(this.#writtenMark)
  }

  async #markWritten(): Promise<void> {
    while (this.#written.length > 0) {
      const group = this.#written
      this.#written = []
      const mark = this.#writtenMark
      if (mark !== this.#mark.mark) await this.#mark.write(mark)
      for (const finished of group) {
        this.#pending.shift()
        this.#lastIndex = finished.shownIndex
        finished.done()
      }
      this.#recent.shrink(this.#lastIndex)
      this.#startSealing()
    }
  }

  #startSealing(): void {
    if (this.#sealing !== undefined || this.#closed || this.#failure !== undefined || !this.#blockIsFull())
      return
    this.#sealing = this.#run(this.#seal()).finally(() => {
      this.#sealing = undefined
    })
  }

  #blockIsFull(): boolean {
    const sealable = Math.min(this.#commitIndex, this.#lastIndex)
    return sealable - this.#segments.lastIndex >= this.blockEntries
  }

  async #seal(): Promise<void> {
    while (this.#blockIsFull() && !this.#closed)
      await sealBlock(this.#tail, this.#segments, this.blockEntries)
  }

  async #measure(): Promise<void> {
    this.#sizeAt = Date.now()
    const tail = await directoryBytes(this.#tail.directory)
    this.#sizeBytes = tail + (await directoryBytes(join(this.#directory, 'segments')))
  }

  /** Runs a background task; its failure stops the store. */
  async #run(task: Promise<void>): Promise<void> {
    try {
      await task
    } catch (error) {
      this.#fail(error)
    }
  }

  #fail(error: unknown): StorageError {
    if (this.#failure !== undefined) return this.#failure
    const failure =
      error instanceof StorageError
        ? error
        : new StorageError('WRITE_FAILED', error instanceof Error ? error.message : String(error))
    this.#failure = failure
    this.#queue = []
    this.#written = []
    this.#pending.length = 0
    this.#failed(failure)
    return failure
  }
}
