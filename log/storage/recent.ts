import type { StoredEntry } from './entry.ts'

/**
 * The newest entries in memory, so that replication and delivery seldom read the disk. It holds a contiguous range
 * that ends at the newest entry, and may be ahead of what is durable: who asks must know which indexes may be shown.
 */
export class RecentEntries {
  readonly #entries = new Map<number, StoredEntry>()
  readonly #maxBytes: number
  readonly #maxEntries: number
  #first = 1
  #last = 0
  #bytes = 0

  constructor(maxEntries: number, maxBytes: number) {
    this.#maxEntries = maxEntries
    this.#maxBytes = maxBytes
  }

  get(index: number): StoredEntry | undefined {
    return this.#entries.get(index)
  }

  /** Replaces what was at or behind its index. */
  add(stored: StoredEntry): void {
    const { index } = stored.entry
    this.truncate(index)
    if (index !== this.#last + 1) {
      this.#entries.clear()
      this.#bytes = 0
      this.#first = index
    }
    this.#entries.set(index, stored)
    this.#last = index
    this.#bytes += stored.entry.payload.length
  }

  truncate(from: number): void {
    while (this.#last >= from && this.#last >= this.#first) {
      this.#drop(this.#last)
      this.#last -= 1
    }
  }

  /** Drops the oldest until the bounds hold, but none behind `keepFrom`: those are not on disk yet. */
  shrink(keepFrom: number): void {
    while (
      this.#first < keepFrom &&
      this.#first <= this.#last &&
      (this.#entries.size > this.#maxEntries || this.#bytes > this.#maxBytes)
    ) {
      this.#drop(this.#first)
      this.#first += 1
    }
  }

  #drop(index: number): void {
    this.#bytes -= this.#entries.get(index)?.entry.payload.length ?? 0
    this.#entries.delete(index)
  }
}
