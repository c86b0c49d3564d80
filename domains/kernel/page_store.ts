import { ByteCache } from './byte_cache.ts'
import type { DiskBatch, RowDisk } from './row_disk.ts'

/** A page as the directory knows it: the keys from `first` on, up to the next page's `first`. */
export interface Place {
  readonly id: number
  readonly first: string
  count: number
  /** The checksum of the page, and of its row in the directory; undefined for the empty page that is nowhere. */
  stored: { readonly page: number; readonly place: number } | undefined
}

/** A row of the directory: where a page begins, how many keys it has, and its checksum. */
interface PlaceRow {
  readonly first: string
  readonly count: number
  readonly page: number
}

/** What the rows' own record says of pages: none of them is lost unnoticed. */
export interface PagesMeta {
  readonly pages: number
  /** The sum of the checksums of the directory's rows, as a signed number of 32 bits. */
  readonly sum: number
  readonly nextId: number
}

const NO_PAGES: PagesMeta = { pages: 0, sum: 0, nextId: 1 }
/** What a key takes in memory besides its characters. */
const KEY_BYTES = 40
const NUMBER_DIGITS = 12

/** The pages of one sorted set of keys on disk: in memory are those that were last read, and those of the batch under way. */
export class PageStore {
  readonly #name: string
  #disk: RowDisk | undefined
  #cache = new ByteCache<Place, readonly string[]>(0)
  readonly #writing = new Map<Place, readonly string[]>()
  #meta = NO_PAGES

  constructor(name: string) {
    this.#name = name
  }

  get meta(): PagesMeta {
    return this.#meta
  }

  /** The keys of a page, in order. Throws a Rejection for a page that is not what was written. */
  read(place: Place): readonly string[] {
    const found = this.#writing.get(place) ?? this.#cache.get(place)
    if (found !== undefined) return found
    if (place.stored === undefined || this.#disk === undefined) return []
    const key = numbered('page', this.#name, place.id)
    const read = this.#disk.read(key)
    if (read?.sum !== place.stored.page)
      return this.damaged(`page ${place.id} is not the one that was written`)
    const keys = JSON.parse(read.text) as readonly string[]
    this.#keep(place, keys)
    return keys
  }

  /** Whether a page is in memory. */
  isRead(place: Place): boolean {
    return place.stored === undefined || this.#writing.has(place) || this.#cache.get(place) !== undefined
  }

  /** A place for a page that is to be written. */
  newPlace(first: string): Place {
    const { nextId } = this.#meta
    this.#meta = { ...this.#meta, nextId: nextId + 1 }
    return { id: nextId, first, count: 0, stored: undefined }
  }

  write(batch: DiskBatch, place: Place, keys: readonly string[]): void {
    const page = batch.put(numbered('page', this.#name, place.id), JSON.stringify(keys))
    const row = JSON.stringify({ first: place.first, count: keys.length, page })
    const sum = batch.put(numbered('place', this.#name, place.id), row)
    this.#count(place.stored === undefined ? 1 : 0, sum - (place.stored?.place ?? 0))
    place.count = keys.length
    place.stored = { page, place: sum }
    this.#writing.set(place, keys)
  }

  delete(batch: DiskBatch, place: Place): void {
    this.#writing.delete(place)
    this.#cache.delete(place)
    if (place.stored === undefined) return
    batch.delete(numbered('page', this.#name, place.id))
    batch.delete(numbered('place', this.#name, place.id))
    this.#count(-1, -place.stored.place)
  }

  /** Throws a Rejection where a page on disk or its row in the directory is not what was written. */
  verify({ id, stored }: Place): void {
    if (stored === undefined || this.#disk === undefined) return
    for (const kind of ['page', 'place'] as const)
      if (this.#disk.read(numbered(kind, this.#name, id))?.sum !== stored[kind])
        this.damaged(`${kind} ${id} is not the one that was written`)
  }

  /** What was written is on disk. */
  written(): void {
    for (const [place, keys] of this.#writing) this.#keep(place, keys)
    this.#writing.clear()
  }

  clear(): void {
    this.#cache.clear()
    this.#writing.clear()
    this.#meta = NO_PAGES
  }

  attach(disk: RowDisk, cacheBytes: number): void {
    this.#disk = disk
    this.#cache = new ByteCache(cacheBytes)
  }

  /** Throws a Rejection, and has it told. */
  damaged(what: string): never {
    if (this.#disk === undefined) throw new Error(`${this.#name}: ${what}`)
    return this.#disk.damaged(`${this.#name}: ${what}`)
  }

  /** Reads the directory, in its order. Throws Error where it is not what was written. */
  async load(disk: RowDisk, meta: PagesMeta): Promise<Place[]> {
    const places: Place[] = []
    let sum = 0
    for await (const chunk of disk.chunks(...directoryOf(this.#name))) {
      for (const [key, { text, sum: place }] of chunk) {
        const { first, count, page } = JSON.parse(text) as PlaceRow
        places.push({ id: Number(key.slice(-NUMBER_DIGITS)), first, count, stored: { page, place } })
        sum = (sum + place) | 0
      }
    }
    if (places.length !== meta.pages || sum !== meta.sum)
      throw new Error(
        `${this.#name}: ${meta.pages} pages were written, ${places.length} other ones are there`,
      )
    this.#meta = meta
    return places.sort((a, b) => (a.first < b.first ? -1 : 1))
  }

  #count(pages: number, sum: number): void {
    this.#meta = { ...this.#meta, pages: this.#meta.pages + pages, sum: (this.#meta.sum + sum) | 0 }
  }

  #keep(place: Place, keys: readonly string[]): void {
    this.#cache.set(place, keys, keys.length * (KEY_BYTES + (keys[0] ?? '').length))
  }
}

/** The keys of LevelDB between which the directory of a set is. */
function directoryOf(name: string): [from: string, to: string] {
  return [`place\0${name}\0`, `place\0${name}\x01`]
}

function numbered(kind: 'page' | 'place', name: string, id: number): string {
  return `${kind}\0${name}\0${String(id).padStart(NUMBER_DIGITS, '0')}`
}
