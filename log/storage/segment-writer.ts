import { join } from 'node:path'
import { promisify } from 'node:util'
import { crc32, zstdCompress } from 'node:zlib'
import { BlockHash } from './chain.ts'
import type { Disk, DiskFile } from './disk.ts'
import { decodeEntry } from './entry.ts'
import { temporarySuffix } from './files.ts'
import {
  encodeTrailer,
  type FrameRow,
  frameBytesTarget,
  type SegmentTrailer,
  segmentName,
} from './segment-format.ts'

const compress = promisify(zstdCompress)

/**
 * Writes one segment, record by record in order. Nothing is visible under the segment's name before `finish`:
 * temporary file, sync, rename, sync of the directory. Work on the calling thread is bounded by one frame at a time.
 */
export class SegmentWriter {
  readonly #disk: Disk
  readonly #directory: string
  readonly #temporary: string
  readonly #file: DiskFile
  readonly #firstIndex: number
  readonly #previousCrc: number
  readonly #previousChain: Buffer
  readonly #hash: BlockHash
  readonly #frames: FrameRow[] = []
  #frame: Buffer[] = []
  #frameBytes = 0
  #frameFirstTerm = 0
  #offset = 0
  #count = 0
  #lastCrc: number
  #lastTerm = 0

  private constructor(
    disk: Disk,
    directory: string,
    file: DiskFile,
    firstIndex: number,
    previous: Pick<SegmentTrailer, 'lastCrc' | 'chain'>,
  ) {
    this.#disk = disk
    this.#directory = directory
    this.#temporary = join(directory, `${segmentName(firstIndex)}${temporarySuffix}`)
    this.#file = file
    this.#firstIndex = firstIndex
    this.#previousCrc = previous.lastCrc
    this.#lastCrc = previous.lastCrc
    this.#previousChain = previous.chain
    this.#hash = new BlockHash(previous.chain)
  }

  static async create(
    disk: Disk,
    directory: string,
    firstIndex: number,
    previous: Pick<SegmentTrailer, 'lastCrc' | 'chain'>,
  ): Promise<SegmentWriter> {
    const file = await disk.open(join(directory, `${segmentName(firstIndex)}${temporarySuffix}`), 'create')
    return new SegmentWriter(disk, directory, file, firstIndex, previous)
  }

  /** Throws RangeError when the record is damaged or does not follow the one before it. */
  async append(record: Buffer): Promise<void> {
    const stored = decodeEntry(record, 0)
    if (stored.entry.index !== this.#firstIndex + this.#count || stored.previousCrc !== this.#lastCrc) {
      throw new RangeError(`record ${stored.entry.index} does not follow the one before it`)
    }
    if (this.#frame.length === 0) this.#frameFirstTerm = stored.entry.term
    this.#frame.push(record)
    this.#frameBytes += record.length
    this.#count += 1
    this.#lastCrc = stored.crc
    this.#lastTerm = stored.entry.term
    if (this.#frameBytes >= frameBytesTarget) await this.#closeFrame()
  }

  /**
   * Makes the segment appear, in place of one that is there. Throws RangeError, before that, when the end of the chain is another than
   * the one that is expected.
   */
  async finish(expectedChain?: Buffer): Promise<SegmentTrailer> {
    if (this.#frame.length > 0) await this.#closeFrame()
    const chain = this.#hash.finish()
    if (expectedChain !== undefined && !chain.equals(expectedChain))
      throw new RangeError('the entries are not those of the hash chain')
    const trailer: SegmentTrailer = {
      firstIndex: this.#firstIndex,
      count: this.#count,
      previousCrc: this.#previousCrc,
      lastCrc: this.#lastCrc,
      lastTerm: this.#lastTerm,
      previousChain: this.#previousChain,
      chain,
      frames: this.#frames,
    }
    await this.#write(encodeTrailer(trailer))
    await this.#file.sync()
    await this.#file.close()
    await this.#disk.rename(this.#temporary, join(this.#directory, segmentName(this.#firstIndex)))
    await this.#disk.syncDirectory(this.#directory)
    return trailer
  }

  async abandon(): Promise<void> {
    await this.#file.close().catch(() => undefined)
    await this.#disk.remove(this.#temporary)
  }

  async #closeFrame(): Promise<void> {
    const raw = Buffer.concat(this.#frame, this.#frameBytes)
    const row = {
      firstIndex: this.#firstIndex + this.#count - this.#frame.length,
      count: this.#frame.length,
      rawBytes: raw.length,
      firstTerm: this.#frameFirstTerm,
      lastTerm: this.#lastTerm,
    }
    this.#frame = []
    this.#frameBytes = 0
    this.#hash.update(raw)
    const compressed = await compress(raw)
    this.#frames.push({
      ...row,
      offset: this.#offset,
      compressedBytes: compressed.length,
      crc: crc32(compressed),
    })
    await this.#write(compressed)
  }

  async #write(content: Buffer): Promise<void> {
    await this.#file.write(content, this.#offset)
    this.#offset += content.length
  }
}
