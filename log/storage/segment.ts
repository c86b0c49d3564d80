import { basename } from 'node:path'
import { crc32, zstdDecompressSync } from 'node:zlib'
import { type Disk, readSync } from './disk.ts'
import { restoreAdvice, SegmentDamaged } from './errors.ts'
import { Frame } from './frame.ts'
import {
  decodeTrailer,
  type FrameRow,
  type SegmentTrailer,
  segmentFirstIndex,
  tableLength,
  trailerBytes,
} from './segment-format.ts'

/** A segment of which something is not what was written, with the way out. */
export function damaged(path: string, error: unknown): SegmentDamaged {
  const cause = error instanceof Error ? error.message : String(error)
  return new SegmentDamaged(segmentFirstIndex(basename(path)) ?? 0, `${path}: ${cause}. ${restoreAdvice}`)
}

/** Output in one piece: the default is 16 KiB, and takes twice the time. */
export function chunkOf({ rawBytes }: FrameRow): number {
  return Math.max(64, rawBytes)
}

/** One sealed segment, read synchronously: a read costs one frame (about 256 KiB of records) at most. */
export class Segment {
  readonly #disk: Disk
  readonly path: string
  readonly trailer: SegmentTrailer

  private constructor(disk: Disk, path: string, trailer: SegmentTrailer) {
    this.#disk = disk
    this.path = path
    this.trailer = trailer
  }

  /** Reads and checks the trailer alone. Throws SEGMENT_DAMAGED. */
  static open(disk: Disk, path: string): Segment {
    try {
      return readSync(disk, path, (reader) => {
        const { size } = reader
        if (size < trailerBytes) throw new RangeError('file is cut short')
        const table = tableLength(reader.read(size - trailerBytes, trailerBytes))
        if (size < trailerBytes + table) throw new RangeError('file is cut short')
        const content = reader.read(size - trailerBytes - table, trailerBytes + table)
        return new Segment(disk, path, decodeTrailer(content))
      })
    } catch (error) {
      throw damaged(path, error)
    }
  }

  get lastIndex(): number {
    return this.trailer.firstIndex + this.trailer.count - 1
  }

  /** The frame that holds `index`, which must be in the segment. */
  frameOf(index: number): FrameRow {
    const { frames } = this.trailer
    let low = 0
    let high = frames.length - 1
    while (low < high) {
      const middle = Math.ceil((low + high) / 2)
      if ((frames[middle]?.firstIndex ?? 0) <= index) low = middle
      else high = middle - 1
    }
    const frame = frames[low]
    if (frame === undefined || index < frame.firstIndex || index >= frame.firstIndex + frame.count) {
      throw new RangeError(`index ${index} is not in ${this.path}`)
    }
    return frame
  }

  /** Throws SEGMENT_DAMAGED when the frame is not what was written. */
  readFrame(row: FrameRow): Frame {
    try {
      const compressed = readSync(this.#disk, this.path, (reader) =>
        reader.read(row.offset, row.compressedBytes),
      )
      if (crc32(compressed) !== row.crc)
        throw new RangeError(`checksum of frame ${row.firstIndex} does not match`)
      return new Frame(
        row,
        zstdDecompressSync(compressed, { maxOutputLength: row.rawBytes, chunkSize: chunkOf(row) }),
      )
    } catch (error) {
      throw damaged(this.path, error)
    }
  }
}
