import type { Entry, HardState } from '../raft/types.ts'
import { StorageError } from './errors.ts'
import type { MarkKeeper } from './mark-keeper.ts'
import type { GroupWrite, Wal } from './wal.ts'

/** What must become durable together, in one write. `truncateFrom` is 0 when nothing is replaced. */
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
  /** The entry that the records follow, in place of all that was behind it, and its CRC. */
  readonly baseIndex: number
  readonly baseCrc: number
  /** One behind the other. */
  readonly records: Buffer
  readonly entries: number
  readonly done: () => void
}

const groupBytesMax = 8 * 1024 * 1024
const groupEntriesMax = 4096

/**
 * Makes changes durable, in order, in group commit: what is queued while a write is under way goes out with the next.
 * `done` is called once the group is durable; the mark follows by itself.
 */
export class WriteQueue {
  readonly #wal: Wal
  readonly #keeper: MarkKeeper
  readonly #room: () => Promise<void>
  readonly #failed: (error: StorageError) => void
  #queue: QueuedChange[] = []
  /** Cleared in the turn that finds nothing left to do, so that what comes after it starts anew. */
  #isWriting = false
  #writing = Promise.resolve()
  #stopped = false

  /** `room` is awaited before each group, and may hold it back. */
  constructor(
    wal: Wal,
    keeper: MarkKeeper,
    room: () => Promise<void>,
    failed: (error: StorageError) => void,
  ) {
    this.#wal = wal
    this.#keeper = keeper
    this.#room = room
    this.#failed = failed
  }

  push(change: QueuedChange): void {
    if (this.#stopped) return
    this.#queue.push(change)
    if (this.#isWriting) return
    this.#isWriting = true
    this.#writing = this.#writeAll()
  }

  /** Resolves once everything that was queued is done. */
  async settled(): Promise<void> {
    while (this.#isWriting) await this.#writing
  }

  /** Nothing more is written but the mark of what was acknowledged, and no `done` is called. */
  stop(): void {
    this.#stopped = true
    this.#queue = []
    this.#keeper.hurry()
  }

  async #writeAll(): Promise<void> {
    try {
      while (this.#queue.length > 0) {
        await this.#room()
        await this.#write(this.#takeGroup())
      }
    } catch (error) {
      this.fail(error)
    } finally {
      this.#isWriting = false
    }
  }

  async #write(group: readonly QueuedChange[]): Promise<void> {
    if (group.length === 0) return
    const mark = await this.#wal.append(joined(group))
    if (this.#stopped) return
    this.#keeper.note(mark)
    for (const { done } of group) {
      if (this.#stopped) return
      done()
    }
  }

  /** Changes that go into one write: within bounds, and none that replaces entries of one before it. */
  #takeGroup(): QueuedChange[] {
    let count = 0
    let bytes = 0
    let entries = 0
    let lastIndex = 0
    for (const change of this.#queue) {
      bytes += change.records.length
      const replaces = entries > 0 && change.baseIndex < lastIndex
      entries += change.entries
      if (count > 0 && (replaces || entries > groupEntriesMax || bytes > groupBytesMax)) break
      lastIndex = change.baseIndex + change.entries
      count += 1
    }
    return this.#queue.splice(0, count)
  }

  /** A failed write or sync is final (never retried: nothing is known about the disk any more). */
  fail(error: unknown): void {
    if (this.#stopped) return
    this.stop()
    const text = error instanceof Error ? error.message : String(error)
    this.#failed(error instanceof StorageError ? error : new StorageError('WRITE_FAILED', text))
  }
}

/** Before the first entries of a group a change may replace what an earlier group wrote: the lowest base counts, and is the last. */
function joined(group: readonly QueuedChange[]): GroupWrite {
  const records: Buffer[] = []
  let [recordBytes, entries, baseIndex, baseCrc] = [0, 0, 0, 0]
  let hardState: HardState | null = null
  for (const change of group) {
    if (entries === 0) {
      baseIndex = change.baseIndex
      baseCrc = change.baseCrc
    }
    records.push(change.records)
    recordBytes += change.records.length
    entries += change.entries
    hardState = change.hardState ?? hardState
  }
  const becomesVoter = group.some((change) => change.becomesVoter)
  return { hardState, becomesVoter, baseIndex, baseCrc, records, recordBytes, entries }
}
