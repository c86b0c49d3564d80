import type { Entry } from '../raft/types.ts'

/** Dropped entries keep their places until there are so many of them. */
const droppedMax = 4096

/**
 * The newest entries in memory, so that replication and delivery seldom read the disk. It holds a contiguous range
 * that ends at the newest entry, and may be ahead of what is durable: who asks must know which indexes may be shown.
 */
export class RecentEntries {
  readonly #maxBytes: number
  readonly #maxEntries: number
  /** Those from `#first` on; the first `#dropped` places are empty. */
  #entries: (Entry | undefined)[] = []
  #crcs: number[] = []
  #dropped = 0
  #first = 1
  #bytes = 0

  constructor(maxEntries: number, maxBytes: number) {
    this.#maxEntries = maxEntries
    this.#maxBytes = maxBytes
  }

  get(index: number): Entry | undefined {
    return index < this.#first ? undefined : this.#entries[index - this.#first + this.#dropped]
  }

  /** The CRC of the entry's record. */
  crcAt(index: number): number | undefined {
    return index < this.#first ? undefined : this.#crcs[index - this.#first + this.#dropped]
  }

  /** Replaces what was at or behind its index. */
  add(entry: Entry, crc: number): void {
    const { index } = entry
    if (index !== this.#end) this.truncate(index)
    if (index !== this.#end) this.#clear(index)
    this.#entries.push(entry)
    this.#crcs.push(crc)
    this.#bytes += entry.payload.length
  }

  truncate(from: number): void {
    while (this.#end > from && this.#end > this.#first) {
      this.#bytes -= this.#entries.pop()?.payload.length ?? 0
      this.#crcs.pop()
    }
  }

  /** Drops the oldest until the bounds hold, but none behind `keepFrom`: those are not on disk yet. */
  shrink(keepFrom: number): void {
    while (
      this.#first < keepFrom &&
      this.#first < this.#end &&
      (this.#end - this.#first > this.#maxEntries || this.#bytes > this.#maxBytes)
    ) {
      this.#bytes -= this.#entries[this.#dropped]?.payload.length ?? 0
      this.#entries[this.#dropped] = undefined
      this.#dropped += 1
      this.#first += 1
    }
    if (this.#dropped < droppedMax) return
    this.#entries = this.#entries.slice(this.#dropped)
    this.#crcs = this.#crcs.slice(this.#dropped)
    this.#dropped = 0
  }

  /** The index behind the newest. */
  get #end(): number {
    return this.#first + this.#entries.length - this.#dropped
  }

  #clear(first: number): void {
    this.#entries = []
    this.#crcs = []
    this.#dropped = 0
    this.#bytes = 0
    this.#first = first
  }
}
