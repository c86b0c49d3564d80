import type { Origin } from './origin.ts'
import type { DiskBatch, RowDisk } from './row_disk.ts'
import type { Write } from './table.ts'

/** What the rows' own record says of one table's: a row that vanished or came back is noticed. */
export interface RowsMeta {
  readonly rows: number
  /** The sum of the rows' checksums, as a signed number of 32 bits. */
  readonly sum: number
}

/** Rows or pages that one step of a scrub reads. */
export const SCRUB_ROWS = 256

export const NO_ROWS: RowsMeta = { rows: 0, sum: 0 }

/** Under this key is the rows' own record: written with every batch of them. */
export const META = 'meta'

export interface Meta {
  readonly revision: number
  readonly time: number
  readonly origin: Origin
  /** Of the build that wrote the rows. */
  readonly layout: string
  /** By table; none of one that never had a row. */
  readonly tables: Readonly<Record<string, RowsMeta>>
}

/** A table's committed rows on their way to disk. What is queued is frozen, and encoded when it is written: once, however often it has changed. */
export interface StoredRows<M extends RowsMeta = RowsMeta> {
  readonly name: string
  /** Takes what a committed write leaves. Returns how many rows more wait: one, or none. */
  queue(write: Write): number
  /** Writes all that waits. `written` is to be called once it is on disk; until then nothing more may be written. */
  write(batch: DiskBatch): M
  written(): void
  /** Forgets what waits, and what is on disk. */
  clear(): void
  /**
   * Reads all that is on disk, a step at a time, and compares it with what was written: nothing may be lost, old or changed. Rows may be
   * written between two steps, but no batch may be under way in one. Throws a Rejection for what is damaged.
   */
  scrub(disk: RowDisk): Generator<void>
}

/** The record of a table's rows after one of them was replaced; undefined is for no row. */
export function replaced(
  { rows, sum }: RowsMeta,
  before: number | undefined,
  after: number | undefined,
): RowsMeta {
  const count = rows + (after === undefined ? 0 : 1) - (before === undefined ? 0 : 1)
  return { rows: count, sum: (sum + (after ?? 0) - (before ?? 0)) | 0 }
}
