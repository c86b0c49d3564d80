import { KeyDifference } from './key_difference.ts'
import { KeyLog, type LogMeta } from './key_log.ts'
import { KeyPages } from './key_pages.ts'
import type { PagesMeta } from './page_store.ts'
import type { DiskBatch, RowDisk } from './row_disk.ts'

export interface KeyLimits {
  /** Keys in one page, at most. */
  readonly pageKeys: number
  /** What the pages that are kept in memory because they were read may take, roughly. */
  readonly pageCacheBytes: number
  /** Changed keys that pages do not have yet, at most, once a batch is written. */
  readonly changedKeysMax: number
}

export interface KeysMeta extends PagesMeta {
  readonly log: LogMeta
}

/**
 * A sorted set of keys as decisions see it: pages on disk, over them the committed changes that the pages do not have yet, and over these
 * what is in flight. The committed changes are on disk too, in a log. When they are too many, pages take theirs, one page after the other
 * in the order of keys: so a page is written once for the many changes that it has had since its last turn.
 */
export class DiskKeys {
  readonly name: string
  readonly #pages: KeyPages
  readonly #log: KeyLog
  readonly #committed = new KeyDifference()
  readonly #inFlight = new KeyDifference()
  #changedKeysMax = Number.POSITIVE_INFINITY
  /** Where pages go on taking changes. */
  #turn = ''

  constructor(name: string) {
    this.name = name
    this.#pages = new KeyPages(name)
    this.#log = new KeyLog(name)
  }

  get size(): number {
    return this.count('', undefined)
  }

  get committedSize(): number {
    return this.#pages.size + this.#committed.count('', undefined)
  }

  hasCommitted(key: string): boolean {
    return this.#committed.has(key) ?? this.#pages.has(key)
  }

  /** As `hasCommitted`, where memory alone knows it; else undefined. */
  isKnown(key: string): boolean | undefined {
    return this.#committed.has(key) ?? (this.#pages.isRead(key) ? this.#pages.has(key) : undefined)
  }

  /** The keys not less than `from`, and less than `to` where that is given. */
  range(from: string, to?: string): IterableIterator<string> {
    const committed = this.#committed.over(this.#pages.range(from, to), from, to)
    return this.#inFlight.over(committed, from, to)
  }

  /** The committed keys not less than `from`. */
  committedRange(from: string): IterableIterator<string> {
    return this.#committed.over(this.#pages.range(from), from, undefined)
  }

  /** Reads every page, a step at a time. Throws a Rejection for one that is not what was written. */
  scrub(): Generator<void> {
    return this.#pages.scrub()
  }

  /** How many keys `range` gives. */
  count(from: string, to?: string): number {
    return this.#pages.count(from, to) + this.#committed.count(from, to) + this.#inFlight.count(from, to)
  }

  /** A key comes or goes, by a write or by the undoing of one. */
  change(key: string, comes: boolean): void {
    this.#inFlight.change(key, comes)
  }

  /** What was changed is committed. Returns false where it does not fit what was committed before. */
  commit(key: string, comes: boolean): boolean {
    if (!this.#committed.change(key, comes)) return false
    this.#inFlight.change(key, !comes)
    this.#log.changed(key, comes)
    return true
  }

  clear(): void {
    this.#pages.clear()
    this.#log.clear()
    this.#committed.clear()
    this.#inFlight.clear()
    this.#turn = ''
  }

  attach(disk: RowDisk, { pageKeys, pageCacheBytes, changedKeysMax }: KeyLimits): void {
    this.#pages.attach(disk, pageKeys, pageCacheBytes)
    this.#changedKeysMax = changedKeysMax
  }

  /** Loads the directory and the changes. Throws Error where they are not what was written. */
  async load(disk: RowDisk, meta: KeysMeta): Promise<void> {
    await this.#pages.load(disk, meta)
    this.#log.load(disk, meta.log, this.#committed)
  }

  /** Writes what was committed. `written` is to be called once that is on disk; until then nothing more may be written. */
  write(batch: DiskBatch): KeysMeta {
    while (this.#committed.size > this.#changedKeysMax) {
      const key = this.#committed.next(this.#turn) ?? this.#committed.next('')
      if (key === undefined) break
      const [from, to] = this.#pages.absorb(batch, this.#committed, key)
      this.#log.absorbed(from, to)
      this.#turn = to ?? ''
    }
    const log = this.#log.write(batch, this.#committed, 2 * this.#changedKeysMax)
    return { ...this.#pages.meta, log }
  }

  written(): void {
    this.#pages.written()
  }
}
