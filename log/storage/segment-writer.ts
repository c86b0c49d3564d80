import { join } from 'node:path'
import { promisify } from 'node:util'
import { constants, crc32, zstdCompress } from 'node:zlib'
import { BlockHash } from './chain.ts'
import type { Disk, DiskFile } from './disk.ts'
import { checkRecord, recordLengthAt, termOf } from './entry.ts'
import { temporarySuffix } from './files.ts'
import {
  encodeTrailer,
  type FrameRow,
  frameBytesTarget,
  type SegmentTrailer,
  segmentName,
} from './segment-format.ts'

const compress = promisify(zstdCompress)
/** Half the time of the usual level, for the same size within a few percent. */
const compression = { params: { [constants.ZSTD_c_compressionLevel]: 1 } }

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
  #frameCount = 0
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

  /**
   * Takes records that lie one behind the other. Throws RangeError when one is damaged or does not follow the one before it.
   */
  async append(records: Buffer): Promise<void> {
    let start = 0
    for (let offset = 0; offset < records.length; ) {
      const end = offset + recordLengthAt(records, offset)
      const index = this.#firstIndex + this.#count
      this.#lastCrc = checkRecord(records, offset, end, index, this.#lastCrc)
      this.#lastTerm = termOf(records, offset)
      if (this.#frameCount === 0) this.#frameFirstTerm = this.#lastTerm
      this.#frameCount += 1
      this.#count += 1
      offset = end
      if (this.#frameBytes + offset - start < frameBytesTarget) continue
      this.#take(records.subarray(start, offset))
      start = offset
      await this.#closeFrame()
    }
    this.#take(records.subarray(start))
  }

  #take(records: Buffer): void {
    if (records.length === 0) return
    this.#frame.push(records)
    this.#frameBytes += records.length
  }

  /**
   * Makes the segment appear, in place of one that is there. Throws RangeError, before that, when the end of the chain is another than
   * the one that is expected.
   */
  async finish(expectedChain?: Buffer): Promise<SegmentTrailer> {
    if (this.#frameCount > 0) await this.#closeFrame()
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
      firstIndex: this.#firstIndex + this.#count - this.#frameCount,
      count: this.#frameCount,
      rawBytes: raw.length,
      firstTerm: this.#frameFirstTerm,
      lastTerm: this.#lastTerm,
    }
    this.#frame = []
    this.#frameBytes = 0
    this.#frameCount = 0
    this.#hash.update(raw)
    const compressed = await compress(raw, compression)
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
