import { crc32 } from 'node:zlib'
import type { HardState } from '../raft/types.ts'
import type { Disk, DiskFile } from './disk.ts'
import { readUint53, writeUint53 } from './entry.ts'
import { restoreAdvice, StorageError } from './errors.ts'
import { readWhole, writeFileDurably } from './files.ts'

/**
 * A group that is durable, kept apart from the write-ahead files: when they no longer hold it, or another one in its place, they
 * have lost something. It follows what is acknowledged by a few milliseconds (decision 10).
 */
export interface Mark {
  readonly sequence: number
  readonly link: number
  /** The last entry and the state then, to say what was lost. */
  readonly index: number
  readonly hardState: HardState
}

/** Two slots, written in turn and a page apart, so that a torn write spoils the older one alone. */
const slotDistance = 4096
const slotBytes = 56
const magic = 0x4346_4d32

function encodeSlot(mark: Mark, number: number): Buffer {
  const slot = Buffer.alloc(slotBytes)
  slot.writeUInt32BE(magic, 4)
  writeUint53(slot, number, 8)
  writeUint53(slot, mark.sequence, 16)
  slot.writeUInt32BE(mark.link, 24)
  slot.writeUInt32BE(mark.hardState.vote, 28)
  writeUint53(slot, mark.hardState.term, 32)
  writeUint53(slot, mark.index, 40)
  slot.writeUInt32BE(crc32(slot.subarray(4)), 0)
  return slot
}

function decodeSlot(slot: Buffer): { mark: Mark; number: number } | undefined {
  if (slot.length < slotBytes || slot.readUInt32BE(4) !== magic) return undefined
  if (crc32(slot.subarray(4, slotBytes)) !== slot.readUInt32BE(0)) return undefined
  return {
    mark: {
      sequence: readUint53(slot, 16),
      link: slot.readUInt32BE(24),
      index: readUint53(slot, 40),
      hardState: { term: readUint53(slot, 32), vote: slot.readUInt32BE(28) },
    },
    number: readUint53(slot, 8),
  }
}

export async function formatMarkFile(disk: Disk, path: string, mark: Mark): Promise<void> {
  const content = Buffer.alloc(2 * slotDistance)
  encodeSlot(mark, 1).copy(content, 0)
  encodeSlot(mark, 0).copy(content, slotDistance)
  await writeFileDurably(path, content, disk)
}

/** The durable high-water mark. A write is one system call. */
export class MarkFile {
  readonly #file: DiskFile
  #number: number
  #mark: Mark

  private constructor(file: DiskFile, number: number, mark: Mark) {
    this.#file = file
    this.#number = number
    this.#mark = mark
  }

  /** Throws MARK_DAMAGED when the file is missing or neither slot can be read. */
  static async open(disk: Disk, path: string): Promise<MarkFile> {
    const content = await readWhole(disk, path)
    if (content === undefined)
      throw new StorageError('MARK_DAMAGED', `${path} cannot be opened. ${restoreAdvice}`)
    const slots = [0, slotDistance]
      .map((offset) => decodeSlot(content.subarray(offset, offset + slotBytes)))
      .filter((slot) => slot !== undefined)
      .sort((a, b) => b.number - a.number)
    const newest = slots[0]
    if (newest === undefined)
      throw new StorageError('MARK_DAMAGED', `no slot of ${path} is readable. ${restoreAdvice}`)
    return new MarkFile(await disk.open(path, 'durable'), newest.number, newest.mark)
  }

  get mark(): Mark {
    return this.#mark
  }

  /** Durable once it resolves. One write at a time. */
  async write(mark: Mark): Promise<void> {
    const number = this.#number + 1
    await this.#file.write(encodeSlot(mark, number), number % 2 === 0 ? slotDistance : 0)
    this.#number = number
    this.#mark = mark
  }

  async close(): Promise<void> {
    await this.#file.close()
  }
}
