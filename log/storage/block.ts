import { setImmediate as nextTurn } from 'node:timers/promises'
import type { DiskFile } from './disk.ts'
import { recordLengthAt } from './entry.ts'
import { Frame } from './frame.ts'
import { readFrame } from './scrub.ts'
import { damaged, Segment } from './segment.ts'
import type { FrameRow } from './segment-format.ts'
import { SegmentWriter } from './segment-writer.ts'
import type { Segments } from './segments.ts'

/** A piece of a sealed block on its way to a member whose copy is damaged. */
export interface BlockPart {
  /** The end of the hash chain before the block; empty in all parts but the first. */
  readonly previousChain: Uint8Array
  /** Of the record before the block; 0 in all parts but the first. */
  readonly previousChecksum: number
  /** Whole records, as they are stored. */
  readonly records: Uint8Array
}

const nothing = new Uint8Array(0)

/**
 * Reads the sealed block that begins with an entry, a frame (about 256 KiB) at a time, with a turn of the event loop in between. Throws
 * RangeError when no sealed block begins there, SegmentDamaged when it is damaged.
 */
export async function* readBlock(segments: Segments, firstIndex: number): AsyncGenerator<BlockPart> {
  if (!hasBlock(segments, firstIndex)) throw new RangeError(`no sealed block begins with entry ${firstIndex}`)
  const { path, trailer } = Segment.open(segments.disk, segments.pathOf(segments.positionOf(firstIndex)))
  const file = await segments.disk.open(path, 'read')
  try {
    let [previousChain, previousChecksum]: [Uint8Array, number] = [trailer.previousChain, trailer.previousCrc]
    for (const row of trailer.frames) {
      yield { previousChain, previousChecksum, records: await soundFrame(file, row, path) }
      previousChain = nothing
      previousChecksum = 0
      await nextTurn()
    }
  } finally {
    await file.close()
  }
}

async function soundFrame(file: DiskFile, row: FrameRow, path: string): Promise<Buffer> {
  try {
    const records = await readFrame(file, row)
    Frame.check(row, records)
    return records
  } catch (error) {
    throw damaged(path, error)
  }
}

/** Whether a sealed block begins with an entry. */
function hasBlock(segments: Segments, firstIndex: number): boolean {
  const position = segments.positionOf(firstIndex)
  return position >= 0 && position < segments.count && segments.firstIndexOf(position) === firstIndex
}

/**
 * Puts a block in the place of a damaged one, when it is the one of the hash chain: until then nothing of it can be seen. Throws RangeError
 * when it is another, and what `parts` throws.
 */
export async function replaceBlock(
  segments: Segments,
  position: number,
  parts: AsyncIterable<BlockPart>,
): Promise<void> {
  const expectedChain = segments.chainAfter(position)
  const firstIndex = segments.firstIndexOf(position)
  const endIndex = segments.firstIndexOf(position + 1)
  let next = firstIndex
  let writer: SegmentWriter | undefined
  try {
    for await (const { previousChain, previousChecksum, records } of parts) {
      writer ??= await SegmentWriter.create(segments.disk, segments.directory, firstIndex, {
        lastCrc: previousChecksum,
        chain: Buffer.from(previousChain),
      })
      const bytes = Buffer.from(records.buffer, records.byteOffset, records.byteLength)
      for (let offset = 0; offset < bytes.length; ) {
        if (next === endIndex) throw new RangeError('there are more entries than a block has')
        const end = offset + recordLengthAt(bytes, offset)
        if (end > bytes.length) throw new RangeError('record is cut short')
        await writer.append(bytes.subarray(offset, end))
        offset = end
        next += 1
      }
    }
    if (writer === undefined || next !== endIndex)
      throw new RangeError(`there are ${next - firstIndex} entries of ${endIndex - firstIndex}`)
    await writer.finish(expectedChain)
  } catch (error) {
    await writer?.abandon()
    throw error
  }
  segments.replaced(position)
}
