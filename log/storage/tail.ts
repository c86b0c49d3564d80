import { mkdir } from 'node:fs/promises'
import { crc32 } from 'node:zlib'
import { ClassicLevel } from 'classic-level'
import type { HardState } from '../raft/types.ts'
import { decodeEntry, readUint53, type StoredEntry, writeUint53 } from './entry.ts'
import { restoreAdvice, StorageError } from './errors.ts'

/** Keys: `e` and the index in 8 bytes for an entry's record, `h` for the hard state, `v` once the member is a voter. */
const entryPrefix = 0x65
const hardStateKey = Buffer.from('h', 'latin1')
const hardStateBytes = 16
const voterKey = Buffer.from('v', 'latin1')
const voterValue = Buffer.from('voter', 'latin1')

const readSlice = 512
const deleteSlice = 512

function entryKey(index: number): Buffer {
  const key = Buffer.allocUnsafe(9)
  key[0] = entryPrefix
  writeUint53(key, index, 1)
  return key
}

function encodeHardState(hardState: HardState): Buffer {
  const value = Buffer.alloc(hardStateBytes)
  writeUint53(value, hardState.term, 4)
  value.writeUInt32BE(hardState.vote, 12)
  value.writeUInt32BE(crc32(value.subarray(4)), 0)
  return value
}

type Operation = { type: 'put'; key: Buffer; value: Buffer } | { type: 'del'; key: Buffer }

/** Collects what goes into one synced batch of the database. */
export class TailBatch {
  readonly operations: Operation[] = []
  bytes = 0

  putRecord(index: number, record: Buffer): void {
    this.operations.push({ type: 'put', key: entryKey(index), value: record })
    this.bytes += record.length
  }

  /** Both inclusive. */
  deleteRecords(from: number, to: number): void {
    for (let index = from; index <= to; index += 1)
      this.operations.push({ type: 'del', key: entryKey(index) })
  }

  putVoter(): void {
    this.operations.push({ type: 'put', key: voterKey, value: voterValue })
  }

  putHardState(hardState: HardState): void {
    this.operations.push({ type: 'put', key: hardStateKey, value: encodeHardState(hardState) })
  }
}

/** The unsealed end of the log and the hard state, on LevelDB. Knows records, not what they are linked to. */
export class Tail {
  readonly directory: string
  readonly #database: ClassicLevel<Buffer, Buffer>

  private constructor(directory: string, database: ClassicLevel<Buffer, Buffer>) {
    this.directory = directory
    this.#database = database
  }

  /** Throws LOCKED when another process has it open. */
  static async open(directory: string): Promise<Tail> {
    await mkdir(directory, { recursive: true, mode: 0o700 })
    const database = new ClassicLevel<Buffer, Buffer>(directory, {
      keyEncoding: 'buffer',
      valueEncoding: 'buffer',
      compression: false,
      writeBufferSize: 16 * 1024 * 1024,
    })
    try {
      await database.open()
    } catch (error) {
      const cause = error instanceof Error ? error.cause : undefined
      if (cause instanceof Error && 'code' in cause && cause.code === 'LEVEL_LOCKED') {
        throw new StorageError('LOCKED', `${directory} is in use by another process`)
      }
      const text = cause instanceof Error ? cause.message : String(error)
      throw new StorageError('TAIL_DAMAGED', `${directory} cannot be opened: ${text}. ${restoreAdvice}`)
    }
    return new Tail(directory, database)
  }

  /** One atomic batch, durable once it resolves. One at a time. */
  async write(batch: TailBatch): Promise<void> {
    await this.#database.batch(batch.operations, { sync: true })
  }

  /** Deletes records that are stored elsewhere, in slices and without a sync: whoever opens the tail does it again. */
  async forget(from: number, to: number): Promise<void> {
    for (let start = from; start <= to; start += deleteSlice) {
      const batch = new TailBatch()
      batch.deleteRecords(start, Math.min(to, start + deleteSlice - 1))
      await this.#database.batch(batch.operations, { sync: false })
    }
  }

  /** Undefined when there is none. Throws RangeError when its bytes are not those that were written. */
  hardState(): HardState | undefined {
    const value = this.#database.getSync(hardStateKey)
    if (value === undefined) return undefined
    if (value.length !== hardStateBytes || crc32(value.subarray(4)) !== value.readUInt32BE(0)) {
      throw new RangeError('checksum of the hard state does not match')
    }
    return { term: readUint53(value, 4), vote: value.readUInt32BE(12) }
  }

  /** Nothing was ever written. */
  async isBlank(): Promise<boolean> {
    const keys = await this.#database.keys({ limit: 1 }).all()
    return keys.length === 0
  }

  /** True only when it says so undamaged: a member that takes itself for less asks again, and harms nobody. */
  isVoter(): boolean {
    try {
      return this.#database.getSync(voterKey)?.equals(voterValue) === true
    } catch (error) {
      throw this.#damage(error)
    }
  }

  /** Throws RangeError when the record is missing or damaged. */
  read(index: number): StoredEntry {
    const record = this.#database.getSync(entryKey(index))
    if (record === undefined) throw new RangeError(`entry ${index} is missing`)
    const stored = decodeEntry(record, 0)
    if (stored.entry.index !== index) throw new RangeError(`entry ${index} is stored as another`)
    return stored
  }

  /** Records from `from` on, in the order of their keys, in bounded slices. A record is as it is stored, unchecked. */
  async *records(from: number, to: number): AsyncGenerator<readonly { index: number; record: Buffer }[]> {
    const iterator = this.#database.iterator({
      gte: entryKey(from),
      lte: entryKey(to),
      highWaterMarkBytes: 1024 * 1024,
      fillCache: false,
    })
    try {
      for (;;) {
        const slice = await iterator.nextv(readSlice).catch((error: unknown) => {
          throw this.#damage(error)
        })
        if (slice.length === 0) return
        yield slice.map(([key, record]) => ({ index: readUint53(key, 1), record }))
      }
    } finally {
      await iterator.close()
    }
  }

  /** What LevelDB cannot read. */
  #damage(error: unknown): StorageError {
    const text = error instanceof Error ? error.message : String(error)
    return new StorageError('TAIL_DAMAGED', `${this.directory} cannot be read: ${text}. ${restoreAdvice}`)
  }

  async close(): Promise<void> {
    await this.#database.close()
  }
}
