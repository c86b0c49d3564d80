import type { Entry, HardState, LogView, Origin, Standing } from '../raft/types.ts'
import type { Disk } from './disk.ts'
import { encodeEntry, recordLength, type StoredEntry } from './entry.ts'
import { StorageError } from './errors.ts'
import { fileDisk } from './file-disk.ts'
import { directoryBytes } from './files.ts'
import type { Identity } from './identity.ts'
import { type Later, MarkKeeper, realLater } from './mark-keeper.ts'
import { type OpenParts, openParts } from './open.ts'
import { segmentsDirectory, walDirectory } from './paths.ts'
import { RecentEntries } from './recent.ts'
import { sealBlock } from './seal.ts'
import type { Segments } from './segments.ts'
import type { Wal } from './wal.ts'
import { type Change, WriteQueue } from './write-queue.ts'

const recentEntriesMax = 16_384
const recentBytesMax = 32 * 1024 * 1024
/** Entries of one read, so that their frames around the payloads are bounded too. */
const readEntriesMax = 4096
/** Writes wait while more full blocks than this wait to be sealed: the tail, and the time to open it, are bounded. */
const unsealedBlocksMax = 16
const sizeAgeMillisecondsMax = 1000

/** What the storage of a log needs from outside, so that a test can crash it at any point. */
export interface StorePorts {
  readonly disk: Disk
  readonly later: Later
}

const realPorts: StorePorts = { disk: fileDisk, later: realLater }

/** A change that is not done: `shownIndex` is what the LogView shows then. */
interface Pending {
  shownIndex: number
}

/** The durable log of one member: what is written, in which order, and what of it may be shown. */
export class LogStore implements LogView {
  readonly identity: Identity
  /** As it was when the directory was opened. */
  readonly standing: Standing
  readonly origin: Origin
  /** What was found damaged in the directory and made anew. */
  readonly repairs: readonly string[]
  readonly blockEntries: number
  readonly segments: Segments
  readonly #disk: Disk
  readonly #directory: string
  readonly #wal: Wal
  readonly #keeper: MarkKeeper
  readonly #unlock: () => void
  readonly #recent = new RecentEntries(recentEntriesMax, recentBytesMax)
  readonly #failed: (error: StorageError) => void
  readonly #writes: WriteQueue
  readonly #pending: Pending[] = []
  #sealing: Promise<void> | undefined
  #hardState: HardState
  /** The end of the log as queued, and as shown. */
  #plannedIndex: number
  #plannedCrc: number
  #lastIndex: number
  #commitIndex: number
  #failure: StorageError | undefined
  #closed = false
  #sizeBytes = 0
  #sizeAt = 0

  private constructor(
    directory: string,
    parts: OpenParts,
    failed: (error: StorageError) => void,
    { disk, later }: StorePorts,
  ) {
    const { content } = parts
    this.#disk = disk
    this.#directory = directory
    this.#unlock = parts.unlock
    this.identity = parts.identity
    this.standing = parts.standing
    this.origin = parts.identity.origin
    this.repairs = parts.repairs
    this.blockEntries = parts.identity.blockEntries
    this.segments = parts.segments
    this.#wal = parts.wal
    this.#failed = failed
    this.#hardState = content.hardState
    this.#plannedIndex = content.lastIndex
    this.#plannedCrc = content.lastCrc
    this.#lastIndex = content.lastIndex
    this.#commitIndex = parts.segments.lastIndex
    for (const { entry, crc } of content.recent) this.#recent.add(entry, crc)
    this.#keeper = new MarkKeeper(parts.mark, later, (error) => this.#writes.fail(error))
    this.#writes = new WriteQueue(
      parts.wal,
      this.#keeper,
      () => this.#room(),
      (error) => this.#fail(error),
    )
  }

  /**
   * Opens a directory that was formatted. Verifies identity, write-ahead files, high-water mark and the link to the last
   * segment; the time does not grow with history. `failed` is called at most once, when a write fails: nothing is
   * taken afterwards. Throws StorageError.
   */
  static async open(
    directory: string,
    identity: Identity,
    failed: (error: StorageError) => void,
    ports: StorePorts = realPorts,
  ): Promise<LogStore> {
    const store = new LogStore(directory, await openParts(ports.disk, directory, identity), failed, ports)
    await store.#measure()
    return store
  }

  /** As queued; durable when the last change that holds one is done. */
  get hardState(): HardState {
    return this.#hardState
  }

  /** The CRC of the last entry's record, as queued; 0 for an empty log. */
  get lastCrc(): number {
    return this.#plannedCrc
  }

  /** Sealed entries are committed: 1 to this index. */
  get sealedIndex(): number {
    return this.segments.lastIndex
  }

  lastIndex(): number {
    return this.#lastIndex
  }

  termAt(index: number): number {
    if (index === 0) return 0
    if (index < 1 || index > this.#lastIndex) {
      throw new RangeError(`index ${index} is outside of 0 to ${this.#lastIndex}`)
    }
    const known = this.#recent.get(index)?.term
    if (known !== undefined) return known
    return index <= this.sealedIndex ? this.segments.termAt(index) : (this.#read(index)[0]?.entry.term ?? 0)
  }

  entries(from: number, to: number, limitBytes: number): readonly Entry[] {
    const end = Math.min(to, this.#lastIndex, from + readEntriesMax - 1)
    const entries: Entry[] = []
    let bytes = 0
    for (let next = from; next <= end; ) {
      const found = this.#some(next, end, limitBytes - bytes)
      for (const entry of found) {
        bytes += entry.payload.length
        if (entries.length > 0 && bytes > limitBytes) return entries
        entries.push(entry)
      }
      next += found.length
    }
    return entries
  }

  /**
   * Queues a change, which must follow what is queued. `done` is called once it is durable; from then on the LogView
   * shows it. Throws StorageError: MISUSE, and the failure once there was one.
   */
  append(change: Change, done: () => void): void {
    if (this.#failure !== undefined) throw this.#failure
    if (this.#closed) throw new StorageError('MISUSE', 'the log is closed')
    const { hardState, becomesVoter = false, truncateFrom, entries } = change
    if (truncateFrom > 0) this.#planTruncation(truncateFrom)
    const baseIndex = this.#plannedIndex
    const baseCrc = this.#plannedCrc
    const records = this.#plan(entries)
    if (hardState !== null) this.#hardState = hardState
    const pending: Pending = { shownIndex: this.#plannedIndex }
    this.#pending.push(pending)
    this.#writes.push({
      hardState,
      becomesVoter,
      baseIndex,
      baseCrc,
      records,
      entries: entries.length,
      done: () => {
        this.#pending.shift()
        this.#lastIndex = pending.shownIndex
        this.#recent.shrink(this.#lastIndex)
        done()
        this.#seal()
      },
    })
  }

  /** Entries up to `index` are committed: full blocks of them are sealed in the background. */
  committed(index: number): void {
    this.#commitIndex = Math.max(this.#commitIndex, index)
    this.#seal()
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
    await this.#writes.settled()
    await this.#keeper.settled()
    while (this.#sealing !== undefined) await this.#sealing
  }

  /** Resolves once the mark names all that was acknowledged, if it can be written. */
  marked(): Promise<void> {
    return this.#keeper.settled()
  }

  /** Finishes what is queued, then closes. No `done` is called after a failure. */
  async close(): Promise<void> {
    if (this.#closed) return
    this.#closed = true
    await this.settled()
    await this.#keeper.close()
    await this.#wal.close()
    this.#unlock()
  }

  /** At least one entry from `from` on. */
  #some(from: number, to: number, limitBytes: number): readonly Entry[] {
    const known = this.#recent.get(from)
    if (known !== undefined) return [known]
    if (from <= this.sealedIndex) return this.segments.entries(from, to, limitBytes)
    const found = this.#read(from).map(({ entry }) => entry)
    return found.length > to - from + 1 ? found.slice(0, to - from + 1) : found
  }

  /** The CRC of an entry that is not sealed. */
  #unsealedCrc(index: number): number {
    return this.#recent.crcAt(index) ?? this.#read(index)[0]?.crc ?? 0
  }

  /** At least one entry from `from` on, from the write-ahead files. */
  #read(from: number): readonly StoredEntry[] {
    try {
      return this.#wal.index.read(from)
    } catch (error) {
      const cause = error instanceof Error ? error.message : String(error)
      throw this.#fail(new StorageError('TAIL_DAMAGED', `entry ${from}: ${cause}`))
    }
  }

  #planTruncation(from: number): void {
    if (from <= this.#commitIndex || from > this.#plannedIndex) {
      const text = `entry ${from} cannot be replaced: ${this.#commitIndex} entries are committed`
      throw this.#fail(new StorageError('MISUSE', `${text}, and the log ends with ${this.#plannedIndex}`))
    }
    const kept = from - 1
    this.#plannedCrc = kept <= this.sealedIndex ? this.segments.end.lastCrc : this.#unsealedCrc(kept)
    this.#plannedIndex = kept
    this.#recent.truncate(from)
    this.#lastIndex = Math.min(this.#lastIndex, kept)
    for (const pending of this.#pending) pending.shownIndex = Math.min(pending.shownIndex, kept)
  }

  /** The records of entries that follow what is planned, one behind the other. */
  #plan(entries: readonly Entry[]): Buffer {
    let bytes = 0
    for (const entry of entries) bytes += recordLength(entry)
    const records = Buffer.allocUnsafe(bytes)
    let offset = 0
    for (const entry of entries) {
      if (entry.index !== this.#plannedIndex + 1) {
        const text = `entry ${entry.index} does not follow entry ${this.#plannedIndex}`
        throw this.#fail(new StorageError('MISUSE', text))
      }
      const previousCrc = this.#plannedCrc
      const end = offset + recordLength(entry)
      this.#plannedCrc = encodeEntry(entry, previousCrc, records.subarray(offset, end))
      this.#plannedIndex = entry.index
      this.#recent.add(entry, this.#plannedCrc)
      offset = end
    }
    return records
  }

  #unsealedBlocks(): number {
    const sealable = Math.min(this.#commitIndex, this.#lastIndex)
    return Math.floor((sealable - this.sealedIndex) / this.blockEntries)
  }

  async #room(): Promise<void> {
    while (this.#sealing !== undefined && this.#unsealedBlocks() > unsealedBlocksMax) await this.#sealing
  }

  /** Seals one block after the other, in the background. */
  #seal(): void {
    const idle = this.#sealing === undefined && !this.#closed && this.#failure === undefined
    if (!idle || this.#unsealedBlocks() < 1) return
    this.#sealing = sealBlock(this.#wal, this.segments, this.blockEntries)
      .catch((error: unknown) => {
        const text = `sealing failed: ${error instanceof Error ? error.message : String(error)}`
        this.#fail(error instanceof StorageError ? error : new StorageError('WRITE_FAILED', text))
      })
      .finally(() => {
        this.#sealing = undefined
        this.#seal()
      })
  }

  async #measure(): Promise<void> {
    this.#sizeAt = Date.now()
    const unsealed = await directoryBytes(this.#disk, walDirectory(this.#directory))
    this.#sizeBytes = unsealed + (await directoryBytes(this.#disk, segmentsDirectory(this.#directory)))
  }

  #fail(failure: StorageError): StorageError {
    if (this.#failure !== undefined) return this.#failure
    this.#failure = failure
    this.#writes.stop()
    this.#failed(failure)
    return failure
  }
}
