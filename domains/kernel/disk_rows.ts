import { setImmediate as nextTurn } from 'node:timers/promises'
import { ByteCache } from './byte_cache.ts'
import type { DiskKeys } from './disk_keys.ts'
import { Pinned } from './pinned.ts'
import type { DiskBatch, RowDisk } from './row_disk.ts'
import { RowPin } from './row_pin.ts'
import { NO_ROWS, type RowsMeta, replaced, SCRUB_ROWS } from './stored_rows.ts'
import { deepFreeze } from './table.ts'

/** A row as it is on disk. */
interface Kept<Row> {
  readonly row: Row
  readonly sum: number
}

/** A row that was written and is not on disk yet. */
interface Overlaid<Row> {
  readonly key: string
  /** As decisions see it. */
  row: Row | undefined
  /** Writes of it that are neither undone nor on disk; how many of these are committed; how many of those are in the batch under way. */
  writes: number
  queued: number
  writing: number
  /** As of the last commit, while it is queued; while it is in the batch under way and not queued again, as it is there. */
  committed: Row | undefined
  /** The checksum of what is on disk, or will be once the batch under way is; undefined for nothing. */
  sum: number | undefined
  bytes: number
}

/** What a row takes in memory besides the characters of its key and its text. */
const ROW_BYTES = 192

/**
 * The rows of a table on disk. A row that is written lies in an overlay until the batch that holds it is on disk, or until it is undone:
 * undoing reads no disk. All others are read when they are asked for, through a bounded cache.
 */
export class DiskRows<Row extends object> {
  readonly #table: string
  readonly #prefix: string
  readonly #keys: DiskKeys
  readonly #overlay = new Map<string, Overlaid<Row>>()
  #disk: RowDisk | undefined
  #cache = new ByteCache<string, Kept<Row>>(0)
  /** The key that was last found missing, while nothing is written: a decision looks for it, then evolving does. */
  #missing: string | undefined
  #queued: Overlaid<Row>[] = []
  #writing: Overlaid<Row>[] = []
  #meta = NO_ROWS
  readonly #pins = new Set<RowPin<Row>>()
  /** The rows up to a key that a scrub has read, as they are now. */
  #scrubbed: { readonly upTo: string | undefined; found: RowsMeta } | undefined

  constructor(table: string, keys: DiskKeys) {
    this.#table = table
    this.#prefix = `disk\0${table}\0`
    this.#keys = keys
  }

  get meta(): RowsMeta {
    return this.#meta
  }

  /** Throws a Rejection for a row that is not what was written. */
  get(key: string): Row | undefined {
    const overlaid = this.#overlay.get(key)
    return overlaid === undefined ? this.#kept(key)?.row : overlaid.row
  }

  /** Writes a row, or deletes it. Returns the one before. */
  set(key: string, row: Row | undefined): Row | undefined {
    const before = this.#set(key, row)
    for (const pin of this.#pins) pin.changes(key, before)
    return before
  }

  #set(key: string, row: Row | undefined): Row | undefined {
    const overlaid = this.#overlay.get(key)
    if (overlaid === undefined) {
      const kept = this.#kept(key)
      this.#missing = undefined
      this.#overlay.set(key, {
        key,
        row,
        writes: 1,
        queued: 0,
        writing: 0,
        committed: undefined,
        sum: kept?.sum,
        bytes: 0,
      })
      return kept?.row
    }
    const before = overlaid.row
    overlaid.row = row
    overlaid.writes++
    return before
  }

  /** Undoes a write. Returns the row that it had left. */
  undo(key: string, row: Row | undefined): Row | undefined {
    const overlaid = this.#overlay.get(key)
    if (overlaid === undefined) throw new RangeError(`${this.#table}: no write of ${key} to undo`)
    const after = overlaid.row
    for (const pin of this.#pins) pin.changes(key, after)
    overlaid.row = row
    overlaid.writes--
    if (overlaid.writes === 0) this.#overlay.delete(key)
    return after
  }

  /** The rows from a key on, and below another where that is given, as they are at the call. */
  chunks(from: string, to: string | undefined): Pinned<Row> {
    const pin = new RowPin<Row>(from, to)
    this.#pins.add(pin)
    const read = async (): Promise<readonly Row[] | undefined> => {
      await nextTurn()
      return pin.ended ? undefined : pin.next(this.#keys.range(pin.from, to), (key) => this.#read(key))
    }
    return new Pinned(read, async () => void this.#pins.delete(pin))
  }

  /** Reads every row, a step at a time: between two steps rows may be written, but no batch may be under way in one. */
  *scrub(disk: RowDisk): Generator<void> {
    const scrubbed: { upTo: string | undefined; found: RowsMeta } = { upTo: '', found: NO_ROWS }
    this.#scrubbed = scrubbed
    try {
      for (let from = ''; ; yield) {
        const keys = new Set<string>()
        for (const key of this.#keys.committedRange(from)) if (keys.add(key).size === SCRUB_ROWS) break
        const last = keys.size < SCRUB_ROWS ? undefined : [...keys].at(-1)
        // Their deletion is committed, and they are on disk still.
        for (const { key, sum } of this.#queued)
          if (sum !== undefined && key >= from && (last === undefined || key <= last)) keys.add(key)
        for (const key of keys) {
          const sum = disk.read(this.#prefix + key)?.sum
          const overlaid = this.#overlay.get(key)
          if (overlaid === undefined ? sum === undefined : sum !== overlaid.sum)
            disk.damaged(`${this.#table}: row ${JSON.stringify(key)} is not the one that was written`)
          scrubbed.found = replaced(scrubbed.found, undefined, sum)
        }
        scrubbed.upTo = last
        if (last === undefined) break
        from = `${last}\0`
      }
      const { found } = scrubbed
      if (found.rows !== this.#meta.rows || found.sum !== this.#meta.sum)
        disk.damaged(
          `${this.#table}: ${this.#meta.rows} rows were written, ${found.rows} other ones are there`,
        )
    } finally {
      this.#scrubbed = undefined
    }
  }

  attach(disk: RowDisk, cacheBytes: number): void {
    this.#disk = disk
    this.#cache = new ByteCache(cacheBytes)
  }

  resume(meta: RowsMeta): void {
    this.#meta = meta
  }

  /** Takes the row that a committed write left. Returns how many rows more wait. */
  queue(key: string, row: Row | undefined): number {
    const overlaid = this.#overlay.get(key)
    if (overlaid === undefined) throw new RangeError(`${this.#table}: ${key} was not written`)
    overlaid.committed = row
    overlaid.queued++
    if (overlaid.queued > 1) return 0
    this.#queued.push(overlaid)
    return 1
  }

  write(batch: DiskBatch): void {
    for (const overlaid of this.#queued) {
      const { key, committed, sum: before } = overlaid
      const at = this.#prefix + key
      if (committed !== undefined) {
        const text = JSON.stringify(committed)
        overlaid.bytes = key.length + text.length + ROW_BYTES
        overlaid.sum = batch.put(at, text)
      } else if (before !== undefined) {
        batch.delete(at)
        overlaid.sum = undefined
      }
      this.#meta = replaced(this.#meta, before, overlaid.sum)
      const scrubbed = this.#scrubbed
      if (scrubbed !== undefined && (scrubbed.upTo === undefined || key <= scrubbed.upTo))
        scrubbed.found = replaced(scrubbed.found, before, overlaid.sum)
      overlaid.writing = overlaid.queued
      overlaid.queued = 0
    }
    this.#writing = this.#queued
    this.#queued = []
  }

  written(): void {
    for (const overlaid of this.#writing) {
      const { key, row, sum, bytes } = overlaid
      overlaid.writes -= overlaid.writing
      overlaid.writing = 0
      if (overlaid.writes === 0) this.#overlay.delete(key)
      if (overlaid.writes > 0 || row === undefined || sum === undefined) this.#cache.delete(key)
      else this.#cache.set(key, { row, sum }, bytes)
    }
    this.#writing = []
  }

  clear(): void {
    for (const pin of this.#pins) pin.lose('the rows are made anew')
    this.#overlay.clear()
    this.#cache.clear()
    this.#missing = undefined
    this.#queued = []
    this.#writing = []
    this.#meta = NO_ROWS
  }

  #kept(key: string): Kept<Row> | undefined {
    if (this.#disk === undefined || key === this.#missing) return undefined
    const cached = this.#cache.get(key)
    if (cached !== undefined) return cached
    // A key that is known not to be there is not looked for: a look-up makes LevelDB merge files sooner.
    const stored = this.#keys.isKnown(key) === false ? undefined : this.#disk.read(this.#prefix + key)
    if (stored === undefined) {
      if (this.#keys.hasCommitted(key))
        this.#disk.damaged(`${this.#table}: row ${JSON.stringify(key)} is lost`)
      this.#missing = key
      return undefined
    }
    const kept = { row: this.#parse(stored.text), sum: stored.sum }
    this.#cache.set(key, kept, key.length + stored.text.length + ROW_BYTES)
    return kept
  }

  /** A row that there is, without keeping it in memory. */
  #read(key: string): Row | undefined {
    const overlaid = this.#overlay.get(key)
    if (overlaid !== undefined) return overlaid.row
    const cached = this.#cache.get(key)
    if (cached !== undefined || this.#disk === undefined) return cached?.row
    const stored = this.#disk.read(this.#prefix + key)
    if (stored === undefined) return this.#disk.damaged(`${this.#table}: row ${JSON.stringify(key)} is lost`)
    return this.#parse(stored.text)
  }

  #parse(text: string): Row {
    return deepFreeze(JSON.parse(text) as Row)
  }
}
