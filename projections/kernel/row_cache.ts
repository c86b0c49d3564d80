import type { KeysOnDisk } from './keys_on_disk.ts'

/** Rows of one set that are kept in memory besides those that wait to be written, at most. */
const ROWS_MAX = 4096

/** What a row is found by. */
export interface Place {
  readonly slice: string
  readonly project: string
  readonly name: string
}

/** A row as it is stored. */
export interface StoredRow extends Place {
  readonly key: string
  readonly revision: number
  /** JSON. */
  readonly data: string
}

/** A row in memory: as it is now, which the table may not know yet. */
export interface CachedRow {
  readonly key: string
  place: Place
  revision: number
  /** JSON; null for a row that is not there. */
  data: string | null
  /** The data, once somebody has asked for it: shared by all who ask, and not to be changed. */
  parsed: Readonly<Record<string, unknown>> | undefined
  /** It waits to be written. */
  isDirty: boolean
  /** Where the table has it; undefined where it has it not. Of a row that waits. */
  stored: Place | undefined
  /** It was asked for since it was last considered for being dropped. */
  isRecent: boolean
}

export const NOWHERE: Place = { slice: '', project: '', name: '' }

/** The rows of a set that were read or written last, and what is known not to be there. */
export class RowCache {
  readonly #rows = new Map<string, CachedRow>()
  readonly #keys: KeysOnDisk
  readonly #load: (key: string) => StoredRow | undefined

  /** `keys` must know of every row there is at the start. */
  constructor(keys: KeysOnDisk, load: (key: string) => StoredRow | undefined) {
    this.#keys = keys
    this.#load = load
  }

  /** The row under a key, also where it is not there. It is valid until the next `trim` or `clear`. */
  row(key: string): CachedRow {
    const found = this.#rows.get(key)
    if (found !== undefined) {
      found.isRecent = true
      return found
    }
    const stored = this.#keys.mayHold(key) ? this.#load(key) : undefined
    const row: CachedRow = {
      key,
      place: stored ?? NOWHERE,
      revision: stored?.revision ?? 0,
      data: stored?.data ?? null,
      parsed: undefined,
      isDirty: false,
      stored: undefined,
      isRecent: false,
    }
    this.#rows.set(key, row)
    return row
  }

  /** Drops the oldest that were not asked for lately; those that wait to be written, of which there are so many, stay. */
  trim(waiting: number): void {
    const beyond = this.#rows.size - ROWS_MAX - waiting
    let considered = 2 * beyond
    let dropped = 0
    for (const [key, row] of this.#rows) {
      if (dropped >= beyond || considered-- <= 0) return
      this.#rows.delete(key)
      if (row.isDirty || row.isRecent) {
        this.#rows.set(key, row)
        row.isRecent = false
      } else {
        this.#keys.add(key)
        dropped++
      }
    }
  }

  /** Forgets all, also what waits. */
  clear(): void {
    for (const key of this.#rows.keys()) this.#keys.add(key)
    this.#rows.clear()
  }
}
