import type { StoredRow } from './row_set.ts'

/** Rows of one set that are kept in memory, at most. */
const ROWS_MAX = 2048

interface Cached {
  readonly row: StoredRow | undefined
  parsed: Readonly<Record<string, unknown>> | undefined
}

/** The rows of a set that were read or written last, and what is known not to be there. It is the caller's to keep it true. */
export class RowCache {
  readonly #rows = new Map<string, Cached>()
  readonly #load: (key: string) => StoredRow | undefined

  constructor(load: (key: string) => StoredRow | undefined) {
    this.#load = load
  }

  row(key: string): StoredRow | undefined {
    return this.#cached(key).row
  }

  /** The row's data, shared by all who ask. */
  data(key: string): Readonly<Record<string, unknown>> | undefined {
    const cached = this.#cached(key)
    if (cached.row === undefined) return undefined
    cached.parsed ??= JSON.parse(cached.row.data) as Record<string, unknown>
    return cached.parsed
  }

  put(key: string, row: StoredRow | undefined): void {
    this.#rows.delete(key)
    this.#keep(key, { row, parsed: undefined })
  }

  clear(): void {
    this.#rows.clear()
  }

  #cached(key: string): Cached {
    const found = this.#rows.get(key)
    if (found !== undefined) return found
    return this.#keep(key, { row: this.#load(key), parsed: undefined })
  }

  #keep(key: string, cached: Cached): Cached {
    this.#rows.set(key, cached)
    if (this.#rows.size > ROWS_MAX) this.#rows.delete(this.#rows.keys().next().value as string)
    return cached
  }
}
