import { crc32 } from 'node:zlib'
import { readUint53, writeUint53 } from './entry.ts'

/**
 * A sealed segment holds one block of the hash chain, immutable and named by its first index:
 *
 *     frame … frame | table: one row a frame | trailer
 *
 * A frame is the records of consecutive entries, compressed with Zstandard on its own, so that one entry is
 * read without decompressing the block. The trailer's CRC covers the table and the trailer.
 * Compressed bytes may differ between members; the records and therefore the chain do not.
 */
export interface FrameRow {
  readonly firstIndex: number
  readonly count: number
  readonly offset: number
  readonly compressedBytes: number
  readonly rawBytes: number
  /** CRC-32 of the compressed bytes. */
  readonly crc: number
  readonly firstTerm: number
  readonly lastTerm: number
}

export interface SegmentTrailer {
  readonly firstIndex: number
  readonly count: number
  /** CRC of the record before the first, and of the last record: the links to both neighbours. */
  readonly previousCrc: number
  readonly lastCrc: number
  readonly lastTerm: number
  readonly previousChain: Buffer
  readonly chain: Buffer
  readonly frames: readonly FrameRow[]
}

/** A frame is closed once it holds so many bytes of records; one entry may reach past it. */
export const frameBytesTarget = 256 * 1024

const rowBytes = 56
export const trailerBytes = 128
const magic = Buffer.from('ULTRASG1', 'latin1')

const suffix = '.segment'

export function segmentName(firstIndex: number): string {
  return `${String(firstIndex).padStart(16, '0')}${suffix}`
}

/** The first index in a segment's name, or undefined for another file. */
export function segmentFirstIndex(name: string): number | undefined {
  return /^\d{16}\.segment$/.test(name) ? Number(name.slice(0, -suffix.length)) : undefined
}

/** The table and the trailer, to be written after the frames. */
export function encodeTrailer(trailer: SegmentTrailer): Buffer {
  const tableBytes = trailer.frames.length * rowBytes
  const content = Buffer.alloc(tableBytes + trailerBytes)
  for (const [position, frame] of trailer.frames.entries()) {
    const start = position * rowBytes
    writeUint53(content, frame.firstIndex, start)
    writeUint53(content, frame.offset, start + 8)
    writeUint53(content, frame.firstTerm, start + 16)
    writeUint53(content, frame.lastTerm, start + 24)
    content.writeUInt32BE(frame.count, start + 32)
    content.writeUInt32BE(frame.compressedBytes, start + 36)
    content.writeUInt32BE(frame.rawBytes, start + 40)
    content.writeUInt32BE(frame.crc, start + 44)
  }
  magic.copy(content, tableBytes)
  writeUint53(content, trailer.firstIndex, tableBytes + 8)
  writeUint53(content, trailer.lastTerm, tableBytes + 16)
  content.writeUInt32BE(trailer.count, tableBytes + 24)
  content.writeUInt32BE(trailer.frames.length, tableBytes + 28)
  content.writeUInt32BE(trailer.previousCrc, tableBytes + 32)
  content.writeUInt32BE(trailer.lastCrc, tableBytes + 36)
  trailer.previousChain.copy(content, tableBytes + 40)
  trailer.chain.copy(content, tableBytes + 72)
  const crcOffset = content.length - 4
  content.writeUInt32BE(crc32(content.subarray(0, crcOffset)), crcOffset)
  return content
}

/** Bytes of the table in front of the fixed trailer. Throws RangeError when these are not a trailer's bytes. */
export function tableLength(fixed: Buffer): number {
  if (fixed.length !== trailerBytes || !fixed.subarray(0, 8).equals(magic)) {
    throw new RangeError('no trailer at the end of the file')
  }
  return fixed.readUInt32BE(28) * rowBytes
}

/** `content` is the table and the trailer. Throws RangeError when its checksum does not hold. */
export function decodeTrailer(content: Buffer): SegmentTrailer {
  const crcOffset = content.length - 4
  if (crc32(content.subarray(0, crcOffset)) !== content.readUInt32BE(crcOffset)) {
    throw new RangeError('checksum of the trailer does not match')
  }
  const fixed = content.subarray(content.length - trailerBytes)
  const frames: FrameRow[] = []
  for (let start = 0; start < content.length - trailerBytes; start += rowBytes) {
    frames.push({
      firstIndex: readUint53(content, start),
      offset: readUint53(content, start + 8),
      firstTerm: readUint53(content, start + 16),
      lastTerm: readUint53(content, start + 24),
      count: content.readUInt32BE(start + 32),
      compressedBytes: content.readUInt32BE(start + 36),
      rawBytes: content.readUInt32BE(start + 40),
      crc: content.readUInt32BE(start + 44),
    })
  }
  return {
    firstIndex: readUint53(fixed, 8),
    lastTerm: readUint53(fixed, 16),
    count: fixed.readUInt32BE(24),
    previousCrc: fixed.readUInt32BE(32),
    lastCrc: fixed.readUInt32BE(36),
    previousChain: Buffer.from(fixed.subarray(40, 72)),
    chain: Buffer.from(fixed.subarray(72, 104)),
    frames,
  }
}
