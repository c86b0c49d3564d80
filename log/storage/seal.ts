import { SegmentWriter } from './segment-writer.ts'
import type { Segments } from './segments.ts'
import type { Tail } from './tail.ts'

/**
 * Moves the next full block from the tail into a segment. A crash at any point leaves a correct log: the segment
 * appears whole, by a rename, and only then are its records removed from the tail; opening finishes what is left.
 * Records are read back from the database and checked, so that nothing unreadable is sealed.
 */
export async function sealBlock(tail: Tail, segments: Segments, blockEntries: number): Promise<void> {
  const firstIndex = segments.lastIndex + 1
  const lastIndex = segments.lastIndex + blockEntries
  const writer = await SegmentWriter.create(segments.directory, firstIndex, segments.end)
  try {
    for await (const slice of tail.records(firstIndex, lastIndex)) {
      for (const { record } of slice) await writer.append(record)
    }
    segments.add(await writer.finish())
  } catch (error) {
    await writer.abandon()
    throw error
  }
  await tail.forget(firstIndex, lastIndex)
}
