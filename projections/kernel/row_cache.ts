import type { KeysOnDisk } from './keys_on_disk.ts'
import type { StoredRow } from './row_set.ts'

/** Rows of one set that are kept in memory between batches, at most. */
const ROWS_MAX = 4096

interface Cached {
  readonly row: StoredRow | undefined
  parsed: Readonly<Record<string, unknown>> | undefined
}

/** The rows of a set that were read or written last, and what is known not to be there. It is the caller's to keep it true. */
export class RowCache {
  readonly #rows = new Map<string, Cached>()
  readonly #keys: KeysOnDisk
  readonly #load: (key: string) => StoredRow | undefined

  /** `keys` must know of every row there is at the start. */
  constructor(keys: KeysOnDisk, load: (key: string) => StoredRow | undefined) {
    this.#keys = keys
    this.#load = load
  }

  row(key: string): StoredRow | undefined {
    return this.#cached(key)?.row
  }

  /** The row's data, shared by all who ask. */
  data(key: string): Readonly<Record<string, unknown>> | undefined {
    const cached = this.#cached(key)
    if (cached?.row === undefined) return undefined
    cached.parsed ??= JSON.parse(cached.row.data) as Record<string, unknown>
    return cached.parsed
  }

  /** It stays until the next `trim`. `parsed` is the row's data, where that is at hand. */
  put(key: string, row: StoredRow | undefined, parsed: Readonly<Record<string, unknown>> | undefined): void {
    this.#rows.delete(key)
    this.#rows.set(key, { row, parsed })
  }

  /** Drops the oldest, once everything is written. */
  trim(): void {
    for (const key of this.#rows.keys()) {
      if (this.#rows.size <= ROWS_MAX) return
      this.#drop(key)
    }
  }

  clear(): void {
    for (const key of this.#rows.keys()) this.#drop(key)
  }

  #drop(key: string): void {
    this.#rows.delete(key)
    this.#keys.add(key)
  }

  /** Undefined for a row that is not there, which is not kept in mind. */
  #cached(key: string): Cached | undefined {
    const found = this.#rows.get(key)
    if (found !== undefined || !this.#keys.mayHold(key)) return found
    const cached = { row: this.#load(key), parsed: undefined }
    this.#rows.set(key, cached)
    return cached
  }
}
