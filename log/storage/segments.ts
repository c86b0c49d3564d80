import { join } from 'node:path'
import type { Entry } from '../raft/types.ts'
import { chainStart } from './chain.ts'
import type { Disk } from './disk.ts'
import { restoreAdvice, SegmentDamaged, StorageError } from './errors.ts'
import { removeTemporaryFiles } from './files.ts'
import type { Frame } from './frame.ts'
import { Segment } from './segment.ts'
import { type FrameRow, type SegmentTrailer, segmentFirstIndex, segmentName } from './segment-format.ts'

const openSegmentsMax = 64
const cachedFramesMax = 8

/** What a segment and the write-ahead files are linked to. */
export type ChainEnd = Pick<SegmentTrailer, 'lastCrc' | 'lastTerm' | 'chain'>

const emptyEnd: ChainEnd = { lastCrc: 0, lastTerm: 0, chain: chainStart }

/** The sealed part of the log: entries 1 to `lastIndex`, in segments of `blockEntries` each. */
export class Segments {
  readonly disk: Disk
  readonly directory: string
  readonly #blockEntries: number
  #count: number
  #end: ChainEnd
  readonly #opened = new Map<number, Segment>()
  readonly #frames = new Map<number, Frame>()

  private constructor(disk: Disk, directory: string, blockEntries: number, count: number) {
    this.disk = disk
    this.directory = directory
    this.#blockEntries = blockEntries
    this.#count = count
    this.#end = emptyEnd
  }

  /**
   * Checks the names of all segments and the trailer of the last: the cost does not grow with the bytes of history.
   * Throws SEGMENT_DAMAGED when one is missing.
   */
  static async open(disk: Disk, directory: string, blockEntries: number): Promise<Segments> {
    await disk.makeDirectory(directory)
    await removeTemporaryFiles(disk, directory)
    const firstIndexes = (await disk.list(directory))
      .map(segmentFirstIndex)
      .filter((index) => index !== undefined)
      .sort((a, b) => a - b)
    for (const [position, firstIndex] of firstIndexes.entries()) {
      if (firstIndex === position * blockEntries + 1) continue
      const missing = segmentName(position * blockEntries + 1)
      throw new StorageError('SEGMENT_DAMAGED', `${join(directory, missing)} is missing. ${restoreAdvice}`)
    }
    const segments = new Segments(disk, directory, blockEntries, firstIndexes.length)
    if (firstIndexes.length > 0) segments.#end = segments.#segment(firstIndexes.length - 1).trailer
    return segments
  }

  get lastIndex(): number {
    return this.#count * this.#blockEntries
  }

  get end(): ChainEnd {
    return this.#end
  }

  get count(): number {
    return this.#count
  }

  /** A segment that was just sealed behind the last one. */
  add(trailer: SegmentTrailer): void {
    if (trailer.firstIndex !== this.lastIndex + 1 || trailer.count !== this.#blockEntries) {
      throw new StorageError('MISUSE', `segment ${trailer.firstIndex} does not follow ${this.lastIndex}`)
    }
    this.#count += 1
    this.#end = trailer
  }

  pathOf(position: number): string {
    return join(this.directory, segmentName(this.firstIndexOf(position)))
  }

  firstIndexOf(position: number): number {
    return position * this.#blockEntries + 1
  }

  /** The position of the segment that holds, or would hold, an entry. */
  positionOf(index: number): number {
    return Math.floor((index - 1) / this.#blockEntries)
  }

  /**
   * The end of the hash chain that a segment's block must have, from what follows it: whatever hashes to that, over whatever it says
   * comes before it, is what was sealed. Throws SegmentDamaged when the segment after it is damaged, too.
   */
  chainAfter(position: number): Buffer {
    return position === this.#count - 1
      ? this.#end.chain
      : Segment.open(this.disk, this.pathOf(position + 1)).trailer.previousChain
  }

  /** A segment's file was replaced: nothing that was read of the old one is answered any more. */
  replaced(position: number): void {
    this.#opened.delete(position)
    for (const firstIndex of this.#frames.keys())
      if (this.positionOf(firstIndex) === position) this.#frames.delete(firstIndex)
  }

  termAt(index: number): number {
    if (index === this.lastIndex) return this.#end.lastTerm
    const { segment, frame } = this.#locate(index)
    return frame.firstTerm === frame.lastTerm ? frame.firstTerm : this.#frame(segment, frame).termAt(index)
  }

  /** The term of a whole segment, from those before and after it; undefined when they are not of one term, or cannot be read. */
  termAround(firstIndex: number): number | undefined {
    const position = this.positionOf(firstIndex)
    try {
      const before = position === 0 ? 0 : Segment.open(this.disk, this.pathOf(position - 1)).trailer.lastTerm
      const isLast = position === this.#count - 1
      const next = isLast ? undefined : Segment.open(this.disk, this.pathOf(position + 1)).trailer.frames[0]
      const after = isLast ? this.#end.lastTerm : next?.firstTerm
      return before === after ? after : undefined
    } catch {
      return undefined
    }
  }

  crcAt(index: number): number {
    if (index === this.lastIndex) return this.#end.lastCrc
    const { segment, frame } = this.#locate(index)
    return this.#frame(segment, frame).crcAt(index)
  }

  /** Entries from `from` on, to the end of its frame at most, until the payloads reach `limitBytes`; one at least. */
  entries(from: number, to: number, limitBytes: number): Entry[] {
    const { segment, frame: row } = this.#locate(from)
    const entries: Entry[] = []
    let bytes = 0
    const frame = this.#frame(segment, row)
    const last = Math.min(to, frame.lastIndex)
    for (let index = from; index <= last; index += 1) {
      const entry = frame.entryAt(index)
      bytes += entry.payload.length
      if (entries.length > 0 && bytes > limitBytes) break
      entries.push(entry)
    }
    return entries
  }

  #locate(index: number): { segment: Segment; frame: FrameRow } {
    if (index < 1 || index > this.lastIndex) throw new RangeError(`index ${index} is not sealed`)
    const segment = this.#segment(this.positionOf(index))
    return { segment, frame: segment.frameOf(index) }
  }

  #segment(position: number): Segment {
    const known = this.#opened.get(position)
    if (known !== undefined) return known
    const path = this.pathOf(position)
    const segment = Segment.open(this.disk, path)
    const { firstIndex, count } = segment.trailer
    if (firstIndex !== this.firstIndexOf(position) || count !== this.#blockEntries) {
      throw new SegmentDamaged(
        this.firstIndexOf(position),
        `${path} holds other entries than its name says. ${restoreAdvice}`,
      )
    }
    keepBounded(this.#opened, openSegmentsMax)
    this.#opened.set(position, segment)
    return segment
  }

  #frame(segment: Segment, row: FrameRow): Frame {
    const known = this.#frames.get(row.firstIndex)
    if (known !== undefined) return known
    const frame = segment.readFrame(row)
    keepBounded(this.#frames, cachedFramesMax)
    this.#frames.set(row.firstIndex, frame)
    return frame
  }
}

/** Makes room for one more: drops what was added first. */
function keepBounded<V>(cache: Map<number, V>, max: number): void {
  for (const key of cache.keys()) {
    if (cache.size < max) return
    cache.delete(key)
  }
}
