import { join } from 'node:path'
import { type Disk, readSync, withFile } from './disk.ts'
import { decodeEntry, recordLengthAt, type StoredEntry } from './entry.ts'
import { walName } from './paths.ts'
import { decodeHeader, groupSectors, recordsOf, restoreGroup, sectorBytes } from './wal-group.ts'

/** Where the entries of one group are. `count` is less than the group holds when a later one replaced its last. */
export interface GroupPlace {
  readonly fileNumber: number
  readonly offset: number
  readonly bytes: number
  /** That of its header: another group of the same shape is not taken for it. */
  readonly link: number
  readonly firstIndex: number
  count: number
}

const runBytesMax = 1024 * 1024

/** Where the unsealed entries are in the write-ahead files, group by group, and how to read them back. */
export class WalIndex {
  readonly #disk: Disk
  readonly #directory: string
  readonly #seed: number
  /** In the order of their entries, without a gap. */
  #places: GroupPlace[] = []
  #cached: { readonly place: GroupPlace; readonly entries: readonly StoredEntry[] } | undefined

  constructor(disk: Disk, directory: string, seed: number) {
    this.#disk = disk
    this.#directory = directory
    this.#seed = seed
  }

  /** Entries behind `baseIndex` are replaced by those of the group, if it has any. */
  add(baseIndex: number, place: GroupPlace): void {
    for (let last = this.#places.at(-1); last !== undefined; last = this.#places.at(-1)) {
      if (last.firstIndex + last.count - 1 <= baseIndex) break
      last.count = Math.max(0, baseIndex + 1 - last.firstIndex)
      if (last.count > 0) break
      this.#places.pop()
    }
    if (place.count > 0) this.#places.push(place)
  }

  /** Groups whose entries all are sealed. */
  forget(sealedIndex: number): void {
    const kept = this.#places.findIndex(({ firstIndex, count }) => firstIndex + count - 1 > sealedIndex)
    this.#places = kept < 0 ? [] : this.#places.slice(kept)
  }

  /** At least one entry from `from` on, to the end of its group at most. Throws RangeError when it is missing or damaged. */
  read(from: number): readonly StoredEntry[] {
    const place = this.#places[this.#positionOf(from)]
    if (place === undefined) throw new RangeError(`entry ${from} is missing`)
    if (this.#cached?.place !== place) this.#cached = { place, entries: this.#readGroup(place) }
    return this.#cached.entries.slice(from - place.firstIndex, place.count)
  }

  /** The records from `from` to `to`, in order, those of a group one behind the other; a damaged group ends it with a RangeError. */
  async *records(from: number, to: number): AsyncGenerator<readonly Buffer[]> {
    for (let position = this.#positionOf(from); position < this.#places.length; ) {
      const run = this.#runFrom(position, to)
      if (run.length === 0) return
      yield await this.#readRun(run, from, to)
      position += run.length
    }
  }

  #positionOf(index: number): number {
    let low = 0
    let high = this.#places.length
    while (low < high) {
      const middle = (low + high) >>> 1
      const { firstIndex, count } = this.#places[middle] as GroupPlace
      if (firstIndex + count - 1 < index) low = middle + 1
      else high = middle
    }
    return low
  }

  #readGroup(place: GroupPlace): StoredEntry[] {
    const path = join(this.#directory, walName(place.fileNumber))
    const content = readSync(this.#disk, path, (reader) => reader.read(place.offset, place.bytes))
    return splitRecords(this.#recordsIn(content, 0, place), place.count).map((record, position) => {
      const stored = decodeEntry(record, 0)
      if (stored.entry.index !== place.firstIndex + position) throw new RangeError('it is stored as another')
      return stored
    })
  }

  /** Groups that lie one behind the other, so that one read takes them all. */
  #runFrom(position: number, to: number): GroupPlace[] {
    const run: GroupPlace[] = []
    let bytes = 0
    for (let next = position; next < this.#places.length; next += 1) {
      const place = this.#places[next] as GroupPlace
      const last = run.at(-1)
      if (place.firstIndex > to || (last !== undefined && bytes + place.bytes > runBytesMax)) break
      if (last !== undefined && !follows(last, place)) break
      run.push(place)
      bytes += place.bytes
    }
    return run
  }

  async #readRun(run: readonly GroupPlace[], from: number, to: number): Promise<Buffer[]> {
    const first = run[0] as GroupPlace
    const last = run.at(-1) as GroupPlace
    const path = join(this.#directory, walName(first.fileNumber))
    const length = last.offset + last.bytes - first.offset
    const content = await withFile(this.#disk, path, 'read', (file) => file.read(first.offset, length))
    return run.map((place) => {
      const records = this.#recordsIn(content, place.offset - first.offset, place)
      const start = endOf(records, Math.max(0, from - place.firstIndex))
      return records.subarray(start, endOf(records, Math.min(place.count, to - place.firstIndex + 1)))
    })
  }

  #recordsIn(content: Buffer, offset: number, place: GroupPlace): Buffer {
    const header = decodeHeader(content, offset, this.#seed)
    const isWhole =
      header !== undefined &&
      groupSectors(header) * sectorBytes === place.bytes &&
      restoreGroup(content, offset, header, this.#seed) === 'whole'
    if (!isWhole) throw new RangeError('checksum does not match')
    if (header.link !== place.link) throw new RangeError('another group is stored in its place')
    return recordsOf(content, offset, header)
  }
}

function follows(last: GroupPlace, next: GroupPlace): boolean {
  return last.fileNumber === next.fileNumber && last.offset + last.bytes === next.offset
}

/** Where the first `count` records end. Throws RangeError when there are fewer. */
function endOf(records: Buffer, count: number): number {
  let offset = 0
  for (let position = 0; position < count; position += 1) offset += recordLengthAt(records, offset)
  return offset
}

/** The first `count` records of those that lie one behind the other. Throws RangeError when there are fewer. */
export function splitRecords(records: Buffer, count: number): Buffer[] {
  const found: Buffer[] = []
  for (let offset = 0; found.length < count; ) {
    const end = offset + recordLengthAt(records, offset)
    if (end > records.length) throw new RangeError('record is cut short')
    found.push(records.subarray(offset, end))
    offset = end
  }
  return found
}
