import { closeSync, fstatSync, openSync, readSync } from 'node:fs'
import { basename } from 'node:path'
import { crc32, zstdDecompressSync } from 'node:zlib'
import { decodeEntry, recordLength, type StoredEntry } from './entry.ts'
import { restoreAdvice, SegmentDamaged } from './errors.ts'
import {
  decodeTrailer,
  type FrameRow,
  type SegmentTrailer,
  segmentFirstIndex,
  tableLength,
  trailerBytes,
} from './segment-format.ts'

function readExactly(file: number, offset: number, length: number): Buffer {
  const content = Buffer.allocUnsafe(length)
  if (readSync(file, content, 0, length, offset) !== length) throw new RangeError('file is cut short')
  return content
}

/** A segment of which something is not what was written, with the way out. */
export function damaged(path: string, error: unknown): SegmentDamaged {
  const cause = error instanceof Error ? error.message : String(error)
  return new SegmentDamaged(segmentFirstIndex(basename(path)) ?? 0, `${path}: ${cause}. ${restoreAdvice}`)
}

/** Decodes and checks the records of one decompressed frame. Throws RangeError when they are not those of `row`. */
export function decodeFrame(row: FrameRow, raw: Buffer): StoredEntry[] {
  const stored: StoredEntry[] = []
  let offset = 0
  for (let position = 0; position < row.count; position += 1) {
    const record = decodeEntry(raw, offset)
    if (record.entry.index !== row.firstIndex + position) throw new RangeError('entries are not contiguous')
    const before = stored.at(-1)
    if (before !== undefined && before.crc !== record.previousCrc)
      throw new RangeError('entries are not linked')
    stored.push(record)
    offset += recordLength(record.entry)
  }
  if (offset !== raw.length) throw new RangeError('frame holds more than its entries')
  return stored
}

/** One sealed segment, read synchronously: a read costs one frame (about 256 KiB of records) at most. */
export class Segment {
  readonly path: string
  readonly trailer: SegmentTrailer

  private constructor(path: string, trailer: SegmentTrailer) {
    this.path = path
    this.trailer = trailer
  }

  /** Reads and checks the trailer alone. Throws SEGMENT_DAMAGED. */
  static open(path: string): Segment {
    try {
      const file = openSync(path, 'r')
      try {
        const size = fstatSync(file).size
        if (size < trailerBytes) throw new RangeError('file is cut short')
        const table = tableLength(readExactly(file, size - trailerBytes, trailerBytes))
        if (size < trailerBytes + table) throw new RangeError('file is cut short')
        const content = readExactly(file, size - trailerBytes - table, trailerBytes + table)
        return new Segment(path, decodeTrailer(content))
      } finally {
        closeSync(file)
      }
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
  readFrame(row: FrameRow): StoredEntry[] {
    try {
      const file = openSync(this.path, 'r')
      try {
        const compressed = readExactly(file, row.offset, row.compressedBytes)
        if (crc32(compressed) !== row.crc)
          throw new RangeError(`checksum of frame ${row.firstIndex} does not match`)
        return decodeFrame(row, zstdDecompressSync(compressed, { maxOutputLength: row.rawBytes }))
      } finally {
        closeSync(file)
      }
    } catch (error) {
      throw damaged(this.path, error)
    }
  }
}
