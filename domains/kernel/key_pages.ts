import type { KeyDifference } from './key_difference.ts'
import { PageStore, type PagesMeta, type Place } from './page_store.ts'
import type { DiskBatch, RowDisk } from './row_disk.ts'
import { seek } from './sorted_keys.ts'
import { SCRUB_ROWS } from './stored_rows.ts'

/** Changes that one page takes at once, at most. */
const ABSORBED_MAX = 512

/**
 * A sorted set of keys in pages on disk, with their directory in memory: the first key of each page and the number of its keys. It changes
 * as a difference is absorbed. What reads a page throws a Rejection where that turns out to be damaged.
 */
export class KeyPages {
  readonly #store: PageStore
  /** In order; the first one begins with the empty key. */
  #places: Place[] = [beginning()]
  #size = 0
  #pageKeys = 1

  constructor(name: string) {
    this.#store = new PageStore(name)
  }

  get size(): number {
    return this.#size
  }

  has(key: string): boolean {
    const keys = this.#store.read(this.#places[this.#find(key)] as Place)
    return keys[seek(keys, key)] === key
  }

  /** Whether the page that would have a key is in memory. */
  isRead(key: string): boolean {
    return this.#store.isRead(this.#places[this.#find(key)] as Place)
  }

  /** The keys not less than `from`, and less than `to` where that is given. */
  *range(from: string, to?: string): IterableIterator<string> {
    for (let index = this.#find(from); index < this.#places.length; index++) {
      const place = this.#places[index] as Place
      if (to !== undefined && place.first >= to) return
      const keys = this.#store.read(place)
      for (let position = place.first < from ? seek(keys, from) : 0; position < keys.length; position++) {
        const key = keys[position] as string
        if (to !== undefined && key >= to) return
        yield key
      }
    }
  }

  /** How many keys `range` gives: it reads the first page and the last one alone. */
  count(from: string, to?: string): number {
    if (to !== undefined && to <= from) return 0
    if (from === '' && to === undefined) return this.#size
    const first = this.#find(from)
    const last = to === undefined ? this.#places.length : this.#find(to)
    let count = to === undefined ? 0 : this.#before(last, to)
    for (let index = first; index < last; index++) count += (this.#places[index] as Place).count
    return count - this.#before(first, from)
  }

  /**
   * Has the page in which a key is take the changes of its keys, out of the difference and into a batch: not more than it can take at once.
   * Returns the interval of which it has them all.
   */
  absorb(batch: DiskBatch, difference: KeyDifference, key: string): [from: string, to: string | undefined] {
    const index = this.#find(key)
    const from = (this.#places[index] as Place).first
    const next = this.#places[index + 1]?.first
    const added = firstOf(difference.added.range(from, next))
    const removed = firstOf(difference.removed.range(from, next))
    const ends = [next, added[ABSORBED_MAX], removed[ABSORBED_MAX]].filter((end) => end !== undefined)
    const to = ends.length === 0 ? undefined : ends.reduce((a, b) => (a < b ? a : b))
    const before = this.#store.read(this.#places[index] as Place)
    const keys = this.#changed(
      before,
      added.filter((each) => to === undefined || each < to),
      new Set(removed.filter((each) => to === undefined || each < to)),
    )
    difference.drop(from, to)
    this.#size += keys.length - before.length
    this.#replace(batch, index, keys)
    return [from, to]
  }

  /** Reads every page, a step at a time. Throws a Rejection for one that is not what was written. */
  *scrub(): Generator<void> {
    for (let from: string | undefined = ''; from !== undefined; yield) {
      const index = this.#find(from)
      for (const place of this.#places.slice(index, index + SCRUB_ROWS)) this.#store.verify(place)
      from = this.#places[index + SCRUB_ROWS]?.first
    }
  }

  clear(): void {
    this.#store.clear()
    this.#begin([])
  }

  attach(disk: RowDisk, pageKeys: number, cacheBytes: number): void {
    this.#pageKeys = pageKeys
    this.#store.attach(disk, cacheBytes)
  }

  /** Throws Error where the directory is not what was written. */
  async load(disk: RowDisk, meta: PagesMeta): Promise<void> {
    this.#begin(await this.#store.load(disk, meta))
  }

  get meta(): PagesMeta {
    return this.#store.meta
  }

  /** What was absorbed is on disk. */
  written(): void {
    this.#store.written()
  }

  #begin(places: Place[]): void {
    this.#places = places[0]?.first === '' ? places : [beginning(), ...places]
    this.#size = places.reduce((size, { count }) => size + count, 0)
  }

  #changed(
    before: readonly string[],
    added: readonly string[],
    removed: ReadonlySet<string>,
  ): readonly string[] {
    const keys: string[] = []
    let at = 0
    for (const key of before) {
      while (at < added.length && (added[at] as string) < key) keys.push(added[at++] as string)
      if (added[at] === key) this.#store.damaged(`key ${JSON.stringify(key)} is there already`)
      if (!removed.has(key)) keys.push(key)
    }
    keys.push(...added.slice(at))
    if (keys.length !== before.length + added.length - removed.size) this.#store.damaged('keys are lost')
    return keys
  }

  /** Puts keys in the place of a page: in more pages when they are too many, in the page before when they are few. */
  #replace(batch: DiskBatch, index: number, keys: readonly string[]): void {
    const place = this.#places[index] as Place
    const before = this.#places[index - 1]
    if (keys.length > this.#pageKeys) this.#part(batch, index, keys)
    else if (before === undefined || keys.length > this.#pageKeys >>> 2) this.#store.write(batch, place, keys)
    else if (keys.length > 0 && before.count + keys.length > this.#pageKeys >>> 1)
      this.#store.write(batch, place, keys)
    else {
      if (keys.length > 0) this.#store.write(batch, before, [...this.#store.read(before), ...keys])
      this.#store.delete(batch, place)
      this.#places.splice(index, 1)
    }
  }

  /** Appending in order leaves full pages behind; elsewhere there is room for more. */
  #part(batch: DiskBatch, index: number, keys: readonly string[]): void {
    const last = index === this.#places.length - 1
    const most = last ? this.#pageKeys : Math.ceil((this.#pageKeys * 3) / 4)
    const each = last ? most : Math.ceil(keys.length / Math.ceil(keys.length / most))
    const parts: Place[] = []
    for (let at = 0; at < keys.length; at += each) {
      const part = at === 0 ? (this.#places[index] as Place) : this.#store.newPlace(keys[at] as string)
      this.#store.write(batch, part, keys.slice(at, at + each))
      parts.push(part)
    }
    this.#places.splice(index, 1, ...parts)
  }

  #before(index: number, key: string): number {
    const place = this.#places[index] as Place
    return place.first === key ? 0 : seek(this.#store.read(place), key)
  }

  /** The last page whose first key is not above `key`. */
  #find(key: string): number {
    let low = 1
    let high = this.#places.length
    while (low < high) {
      const middle = (low + high) >>> 1
      if ((this.#places[middle] as Place).first <= key) low = middle + 1
      else high = middle
    }
    return low - 1
  }
}

function beginning(): Place {
  return { id: 0, first: '', count: 0, stored: undefined }
}

/** One more than a page takes at once. */
function firstOf(keys: IterableIterator<string>): readonly string[] {
  const found: string[] = []
  for (const key of keys) if (found.push(key) > ABSORBED_MAX) break
  return found
}
