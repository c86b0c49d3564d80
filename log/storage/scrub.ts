import { setImmediate as nextTurn } from 'node:timers/promises'
import { promisify } from 'node:util'
import { crc32, zstdDecompress } from 'node:zlib'
import { BlockHash, chainStart } from './chain.ts'
import type { Disk, DiskFile } from './disk.ts'
import { SegmentDamaged } from './errors.ts'
import { Frame } from './frame.ts'
import { chunkOf, damaged, Segment } from './segment.ts'
import type { FrameRow } from './segment-format.ts'
import type { Segments } from './segments.ts'

const decompress = promisify(zstdDecompress)

export interface ScrubReport {
  readonly segments: number
  readonly entries: number
  /** The end of the hash chain, in hex. Equal on every member for the same number of segments. */
  readonly chain: string
  /** Empty when everything is what was written. */
  readonly damage: readonly SegmentDamaged[]
}

/**
 * Verifies every sealed segment: checksums, links between entries and segments, and the hash chain. One frame at a
 * time (about 256 KiB of records), with a turn of the event loop in between; `signal` ends it early with its reason.
 */
export async function scrub(segments: Segments, signal?: AbortSignal): Promise<ScrubReport> {
  const count = segments.count
  const damage: SegmentDamaged[] = []
  let entries = 0
  /** Undefined behind a segment whose end cannot be read. */
  let link: { crc: number; chain: Buffer } | undefined = { crc: 0, chain: chainStart }
  for (let position = 0; position < count; position += 1) {
    const path = segments.pathOf(position)
    try {
      const segment = Segment.open(segments.disk, path)
      const { trailer } = segment
      const before = link
      link = { crc: trailer.lastCrc, chain: trailer.chain }
      if (
        before !== undefined &&
        (trailer.previousCrc !== before.crc || !trailer.previousChain.equals(before.chain))
      )
        throw new RangeError('it does not follow the segment before it')
      entries += await scrubSegment(segments.disk, segment, signal)
    } catch (error) {
      signal?.throwIfAborted()
      const known = error instanceof SegmentDamaged
      if (known) link = undefined
      damage.push(known ? error : damaged(path, error))
    }
  }
  return { segments: count, entries, chain: segments.end.chain.toString('hex'), damage }
}

async function scrubSegment(disk: Disk, segment: Segment, signal: AbortSignal | undefined): Promise<number> {
  const { trailer, path } = segment
  const hash = new BlockHash(trailer.previousChain)
  let crc = trailer.previousCrc
  let count = 0
  const file = await disk.open(path, 'read')
  try {
    for (const row of trailer.frames) {
      signal?.throwIfAborted()
      const raw = await readFrame(file, row)
      hash.update(raw)
      const frame = new Frame(row, raw)
      if (frame.previousCrc !== crc) throw new RangeError(`frame ${row.firstIndex} does not follow`)
      crc = frame.lastCrc
      count += frame.count
      await nextTurn()
    }
  } finally {
    await file.close()
  }
  if (count !== trailer.count || crc !== trailer.lastCrc || !hash.finish().equals(trailer.chain)) {
    throw new RangeError('the entries are not those of the hash chain')
  }
  return count
}

/** The records of one frame, whose checksum holds. Throws RangeError. */
export async function readFrame(file: DiskFile, row: FrameRow): Promise<Buffer> {
  const compressed = await file.read(row.offset, row.compressedBytes)
  if (compressed.length !== row.compressedBytes) throw new RangeError('file is cut short')
  if (crc32(compressed) !== row.crc)
    throw new RangeError(`checksum of frame ${row.firstIndex} does not match`)
  return decompress(compressed, { maxOutputLength: row.rawBytes, chunkSize: chunkOf(row) })
}
