import { setTimeout as delay } from 'node:timers/promises'
import type { DiskMeta } from './disk_table.ts'
import { interval, placeOf } from './page_store.ts'
import type { PinnedDisk, RowDisk } from './row_disk.ts'
import { META, type Meta, NO_ROWS, replaced, type StoredRows } from './stored_rows.ts'

/** Between two chunks, so that it takes a small part of the processor. */
const PAUSE_MS = 5

/**
 * Reads every row and every page as they are at the call, and compares them with the record of them: nothing may be lost, old or
 * changed. It ends early once `stopped` says so. What is wrong is told to the disk's listener; then it throws a Rejection.
 */
export async function scrubRows(
  disk: RowDisk,
  tables: readonly StoredRows[],
  stopped: () => boolean,
): Promise<void> {
  const pin = disk.pin()
  try {
    const stored = await pin.get(META)
    if (stored === undefined) return
    const meta = JSON.parse(stored.text) as Meta
    for (const table of tables) {
      const known = meta.tables[table.name] ?? NO_ROWS
      let found = NO_ROWS
      for await (const [, { sum }] of slowly(pin, table.interval, stopped))
        found = replaced(found, undefined, sum)
      if (stopped()) return
      if (found.rows !== known.rows || found.sum !== known.sum)
        disk.damaged(`${table.name}: ${known.rows} rows were written, ${found.rows} other ones are there`)
      for (const [name, { pages }] of Object.entries((known as Partial<DiskMeta>).sets ?? {}))
        await scrubPages(disk, pin, name, pages, stopped)
    }
  } finally {
    await pin.close()
  }
}

async function scrubPages(
  disk: RowDisk,
  pin: PinnedDisk,
  name: string,
  pages: number,
  stopped: () => boolean,
): Promise<void> {
  const sums = new Map<string, number>()
  const numberOf = (key: string): string => key.slice(key.lastIndexOf('\0') + 1)
  for await (const [key, { text }] of slowly(pin, interval('place', name), stopped))
    sums.set(numberOf(key), placeOf(text).page)
  for await (const [key, { sum }] of slowly(pin, interval('page', name), stopped)) {
    const number = numberOf(key)
    if (sums.get(number) !== sum) disk.damaged(`${name}: page ${number} is not the one that was written`)
    sums.delete(number)
    pages--
  }
  if (!stopped() && (pages !== 0 || sums.size > 0)) disk.damaged(`${name}: pages are lost`)
}

async function* slowly(pin: PinnedDisk, [from, to]: readonly [string, string], stopped: () => boolean) {
  for await (const chunk of pin.chunks(from, to)) {
    if (stopped()) return
    yield* chunk
    await delay(PAUSE_MS)
  }
}
