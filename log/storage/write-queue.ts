import type { Entry, HardState } from '../raft/types.ts'
import { StorageError } from './errors.ts'
import type { Mark, MarkFile } from './mark.ts'
import { type Tail, TailBatch } from './tail.ts'

/** What must become durable together, in one synced batch. `truncateFrom` is 0 when nothing is replaced. */
export interface Change {
  readonly hardState: HardState | null
  /** The member is a voter from now on. */
  readonly becomesVoter?: boolean
  readonly truncateFrom: number
  readonly entries: readonly Entry[]
}

export interface QueuedChange {
  readonly hardState: HardState | null
  readonly becomesVoter: boolean
  readonly truncateFrom: number
  /** The CRC of the entry before `truncateFrom`. */
  readonly truncatedCrc: number
  readonly records: readonly { readonly index: number; readonly record: Buffer }[]
  /** The last entry of the log once this is done, and its CRC. */
  readonly lastIndex: number
  readonly lastCrc: number
  readonly done: () => void
}

const batchBytesMax = 8 * 1024 * 1024
const batchEntriesMax = 4096

/**
 * Makes changes durable, in order, in group commit: what is queued while a sync is under way goes out with the next.
 * Two steps are pipelined: the synced batch of the database, then the high-water mark; `done` is called after both.
 * The mark of one group is synced while the batch of the next is, so it costs latency (about 0.1 ms), not throughput.
 */
export class WriteQueue {
  readonly #tail: Tail
  readonly #file: MarkFile
  readonly #room: () => Promise<void>
  readonly #failed: (error: StorageError) => void
  #queue: QueuedChange[] = []
  /** Written to the database, not yet covered by the mark. */
  #written: QueuedChange[] = []
  /** Cleared in the turn that finds nothing left to do, so that what comes after it starts anew. */
  #isWriting = false
  #isMarking = false
  #writing = Promise.resolve()
  #marking = Promise.resolve()
  #writtenIndex: number
  #mark: Mark
  #stopped = false

  /** `room` is awaited before each batch, and may hold it back. */
  constructor(tail: Tail, file: MarkFile, room: () => Promise<void>, failed: (error: StorageError) => void) {
    this.#tail = tail
    this.#file = file
    this.#room = room
    this.#failed = failed
    this.#writtenIndex = file.mark.index
    this.#mark = file.mark
  }

  push(change: QueuedChange): void {
    if (this.#stopped) return
    this.#queue.push(change)
    if (this.#isWriting) return
    this.#isWriting = true
    this.#writing = this.#orFail(this.#writeAll())
  }

  /** Resolves once everything that was queued is done. */
  async settled(): Promise<void> {
    while (this.#isWriting || this.#isMarking) {
      await Promise.all([this.#writing, this.#marking])
    }
  }

  /** Nothing more is written, and no `done` is called. */
  stop(): void {
    this.#stopped = true
    this.#queue = []
    this.#written = []
  }

  async #writeAll(): Promise<void> {
    try {
      while (this.#queue.length > 0) {
        await this.#room()
        await this.#write(this.#takeGroup())
      }
    } finally {
      this.#isWriting = false
    }
  }

  async #write(group: readonly QueuedChange[]): Promise<void> {
    const last = group.at(-1)
    if (last === undefined) return
    await this.#lowerMark(group)
    if (this.#stopped) return
    await this.#tail.write(this.#batchOf(group))
    if (this.#stopped) return
    this.#writtenIndex = last.lastIndex
    const hardState = group.findLast((change) => change.hardState !== null)?.hardState
    this.#mark = {
      index: last.lastIndex,
      crc: last.lastCrc,
      hardState: hardState ?? this.#mark.hardState,
    }
    this.#written.push(...group)
    if (this.#isMarking) return
    this.#isMarking = true
    this.#marking = this.#orFail(this.#markWritten())
  }

  #takeGroup(): QueuedChange[] {
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

  #batchOf(group: readonly QueuedChange[]): TailBatch {
    const batch = new TailBatch()
    let last = this.#writtenIndex
    let hardState: HardState | null = null
    for (const change of group) {
      if (change.truncateFrom > 0) batch.deleteRecords(change.truncateFrom, last)
      for (const { index, record } of change.records) batch.putRecord(index, record)
      last = change.lastIndex
      hardState = change.hardState ?? hardState
    }
    if (hardState !== null) batch.putHardState(hardState)
    if (group.some(({ becomesVoter }) => becomesVoter)) batch.putVoter()
    return batch
  }

  /** Before acknowledged entries are replaced: a mark that still named them would report them as vanished. */
  async #lowerMark(group: readonly QueuedChange[]): Promise<void> {
    const lowest = group
      .filter(({ truncateFrom }) => truncateFrom > 0)
      .reduce<QueuedChange | undefined>(
        (low, change) => (low !== undefined && low.truncateFrom <= change.truncateFrom ? low : change),
        undefined,
      )
    if (lowest === undefined || lowest.truncateFrom > this.#mark.index) return
    while (this.#isMarking) await this.#marking
    if (this.#stopped) return
    this.#mark = { ...this.#mark, index: lowest.truncateFrom - 1, crc: lowest.truncatedCrc }
    await this.#file.write(this.#mark)
  }

  async #markWritten(): Promise<void> {
    try {
      while (this.#written.length > 0) {
        const group = this.#written
        this.#written = []
        await this.#file.write(this.#mark)
        for (const { done } of group) {
          if (this.#stopped) return
          done()
        }
      }
    } finally {
      this.#isMarking = false
    }
  }

  /** A failed write or sync is final (never retried: nothing is known about the disk any more). */
  async #orFail(task: Promise<void>): Promise<void> {
    try {
      await task
    } catch (error) {
      if (this.#stopped) return
      this.stop()
      const known = error instanceof StorageError
      const text = error instanceof Error ? error.message : String(error)
      this.#failed(known ? error : new StorageError('WRITE_FAILED', text))
    }
  }
}
