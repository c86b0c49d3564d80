import { SegmentWriter } from './segment-writer.ts'
import type { Segments } from './segments.ts'
import type { Wal } from './wal.ts'

/**
 * Copies the next full block from the write-ahead files into a segment. A crash at any point leaves a correct log: the segment
 * appears whole, by a rename, and only then are files that hold nothing else removed; opening finishes what is left.
 * Records are read back and checked, so that nothing unreadable is sealed.
 */
export async function sealBlock(wal: Wal, segments: Segments, blockEntries: number): Promise<void> {
  const firstIndex = segments.lastIndex + 1
  const lastIndex = segments.lastIndex + blockEntries
  const writer = await SegmentWriter.create(segments.disk, segments.directory, firstIndex, segments.end)
  try {
    for await (const slice of wal.index.records(firstIndex, lastIndex)) {
      for (const records of slice) await writer.append(records)
    }
    segments.add(await writer.finish())
  } catch (error) {
    await writer.abandon()
    throw error
  }
  wal.forget(lastIndex)
}
