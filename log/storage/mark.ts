import { constants } from 'node:fs'
import { type FileHandle, open } from 'node:fs/promises'
import { crc32 } from 'node:zlib'
import type { HardState } from '../raft/types.ts'
import { readUint53, writeUint53 } from './entry.ts'
import { restoreAdvice, StorageError } from './errors.ts'
import { writeFileDurably } from './files.ts'

/**
 * What this member has acknowledged, kept apart from the database: LevelDB drops a damaged record of its own
 * write-ahead log without an error, so acknowledged entries and votes can vanish silently. The mark is how that is noticed.
 */
export interface Mark {
  /** The last acknowledged entry, and the CRC of its record; 0 and 0 before the first. */
  readonly index: number
  readonly crc: number
  readonly hardState: HardState
}

const emptyMark: Mark = { index: 0, crc: 0, hardState: { term: 0, vote: 0 } }

/** Two slots, written in turn and a page apart, so that a torn write spoils the older one alone. */
const slotDistance = 4096
const slotBytes = 48
const magic = 0x4346_4d4b

function encodeSlot(mark: Mark, sequence: number): Buffer {
  const slot = Buffer.alloc(slotBytes)
  slot.writeUInt32BE(magic, 4)
  writeUint53(slot, sequence, 8)
  writeUint53(slot, mark.index, 16)
  slot.writeUInt32BE(mark.crc, 24)
  slot.writeUInt32BE(mark.hardState.vote, 28)
  writeUint53(slot, mark.hardState.term, 32)
  slot.writeUInt32BE(crc32(slot.subarray(4)), 0)
  return slot
}

function decodeSlot(slot: Buffer): { mark: Mark; sequence: number } | undefined {
  if (slot.length < slotBytes || slot.readUInt32BE(4) !== magic) return undefined
  if (crc32(slot.subarray(4, slotBytes)) !== slot.readUInt32BE(0)) return undefined
  return {
    mark: {
      index: readUint53(slot, 16),
      crc: slot.readUInt32BE(24),
      hardState: { term: readUint53(slot, 32), vote: slot.readUInt32BE(28) },
    },
    sequence: readUint53(slot, 8),
  }
}

export async function formatMarkFile(path: string): Promise<void> {
  const content = Buffer.alloc(2 * slotDistance)
  encodeSlot(emptyMark, 1).copy(content, 0)
  encodeSlot(emptyMark, 0).copy(content, slotDistance)
  await writeFileDurably(path, content)
}

/** The durable high-water mark. A write is one system call on a file opened with O_DSYNC: no second hop for the sync. */
export class MarkFile {
  readonly #file: FileHandle
  #sequence: number
  #mark: Mark

  private constructor(file: FileHandle, sequence: number, mark: Mark) {
    this.#file = file
    this.#sequence = sequence
    this.#mark = mark
  }

  /** Throws MARK_DAMAGED when the file is missing or neither slot can be read. */
  static async open(path: string): Promise<MarkFile> {
    let file: FileHandle
    try {
      file = await open(path, constants.O_RDWR | constants.O_DSYNC)
    } catch {
      throw new StorageError('MARK_DAMAGED', `${path} cannot be opened. ${restoreAdvice}`)
    }
    const content = Buffer.alloc(2 * slotDistance)
    const { bytesRead } = await file.read(content, 0, content.length, 0)
    const slots = [0, slotDistance]
      .map((offset) => decodeSlot(content.subarray(offset, Math.min(offset + slotBytes, bytesRead))))
      .filter((slot) => slot !== undefined)
      .sort((a, b) => b.sequence - a.sequence)
    const newest = slots[0]
    if (newest === undefined) {
      await file.close()
      throw new StorageError('MARK_DAMAGED', `no slot of ${path} is readable. ${restoreAdvice}`)
    }
    return new MarkFile(file, newest.sequence, newest.mark)
  }

  get mark(): Mark {
    return this.#mark
  }

  /** Durable once it resolves. One write at a time. */
  async write(mark: Mark): Promise<void> {
    const sequence = this.#sequence + 1
    const { bytesWritten } = await this.#file.write(
      encodeSlot(mark, sequence),
      0,
      slotBytes,
      sequence % 2 === 0 ? slotDistance : 0,
    )
    if (bytesWritten !== slotBytes) throw new Error('short write of the high-water mark')
    this.#sequence = sequence
    this.#mark = mark
  }

  async close(): Promise<void> {
    await this.#file.close()
  }
}
