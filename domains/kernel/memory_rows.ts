import type { DiskBatch, RowDisk } from './row_disk.ts'
import { NO_ROWS, type RowsMeta, replaced, SCRUB_ROWS, type StoredRows } from './stored_rows.ts'
import type { Table, Write } from './table.ts'

/** The rows on disk of a table that is in memory. Of each row it keeps the checksum, so that what it replaces need not be encoded again. */
export class MemoryRows implements StoredRows {
  readonly #table: Table
  readonly #prefix: string
  #sums = new Map<string, number>()
  #queued = new Map<string, object | undefined>()
  #meta = NO_ROWS

  constructor(table: Table) {
    this.#table = table
    this.#prefix = `row\0${table.name}\0`
  }

  /** Reads all rows, and returns what puts them into the table. Throws where they are not what was written. */
  async load(disk: RowDisk, meta: RowsMeta): Promise<() => void> {
    const loaded: (readonly [key: string, row: object])[] = []
    let found = NO_ROWS
    for await (const chunk of disk.chunks(this.#prefix, `row\0${this.name}\x01`)) {
      for (const [at, { text, sum }] of chunk) {
        const key = at.slice(this.#prefix.length)
        loaded.push([key, JSON.parse(text) as object])
        this.#sums.set(key, sum)
        found = replaced(found, undefined, sum)
      }
    }
    if (found.rows !== meta.rows || found.sum !== meta.sum)
      throw new Error(
        `${this.#table.name}: ${meta.rows} rows were written, ${found.rows} other ones are there`,
      )
    this.#meta = meta
    return () => {
      for (const [key, row] of loaded) this.#table.restore(key, row)
    }
  }

  get name(): string {
    return this.#table.name
  }

  queue({ key, after }: Write): number {
    const { size } = this.#queued
    this.#queued.set(key, after)
    return this.#queued.size - size
  }

  write(batch: DiskBatch): RowsMeta {
    for (const [key, row] of this.#queued) {
      const at = this.#prefix + key
      const before = this.#sums.get(key)
      if (row !== undefined) {
        const after = batch.put(at, JSON.stringify(row))
        this.#sums.set(key, after)
        this.#meta = replaced(this.#meta, before, after)
      } else if (before !== undefined) {
        batch.delete(at)
        this.#sums.delete(key)
        this.#meta = replaced(this.#meta, before, undefined)
      }
    }
    this.#queued = new Map()
    return this.#meta
  }

  written(): void {}

  *scrub(disk: RowDisk): Generator<void> {
    let read = 0
    for (const key of this.#sums.keys()) {
      if (disk.read(this.#prefix + key)?.sum !== this.#sums.get(key))
        disk.damaged(`${this.name}: row ${JSON.stringify(key)} is not the one that was written`)
      if (++read % SCRUB_ROWS === 0) yield
    }
  }

  clear(): void {
    this.#queued.clear()
    this.#sums.clear()
    this.#meta = NO_ROWS
  }
}
