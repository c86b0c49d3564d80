import type { KeyDifference } from './key_difference.ts'
import type { DiskBatch, RowDisk } from './row_disk.ts'

/** A key has come or gone; or the pages have all changes from a key on and below another. */
type Entry = string | { readonly from: string; readonly to: string | null }

interface Base {
  readonly added: readonly string[]
  readonly removed: readonly string[]
}

/** The records that are there: from the first number to before the second. The first may hold a whole difference. */
export type LogMeta = readonly [from: number, to: number]

const NUMBER_DIGITS = 12

/**
 * What a difference was made of, in one record a batch, so that it can be made again without reading a page. Now and then a record holds
 * the difference itself, and those before it are deleted.
 */
export class KeyLog {
  readonly #name: string
  #entries: Entry[] = []
  #meta: LogMeta = [0, 0]
  /** Of the records that are there. */
  #entriesRecorded = 0

  constructor(name: string) {
    this.#name = name
  }

  changed(key: string, comes: boolean): void {
    this.#entries.push((comes ? '+' : '-') + key)
  }

  absorbed(from: string, to: string | undefined): void {
    this.#entries.push({ from, to: to ?? null })
  }

  clear(): void {
    this.#entries = []
    this.#meta = [0, 0]
    this.#entriesRecorded = 0
  }

  /** Makes the difference. Throws Error for records that are not what was written. */
  load(disk: RowDisk, meta: LogMeta, difference: KeyDifference): void {
    for (let number = meta[0]; number < meta[1]; number++) {
      const record = disk.read(this.#key(number))
      if (record === undefined) throw new Error(`${this.#name}: the changes ${number} are lost`)
      const entries = JSON.parse(record.text) as Entry[] | Base
      if (Array.isArray(entries)) {
        this.#entriesRecorded += entries.length
        for (const entry of entries) replay(difference, entry)
      } else {
        for (const key of entries.added) difference.added.add(key)
        for (const key of entries.removed) difference.removed.add(key)
      }
    }
    this.#meta = meta
  }

  /** Writes what has happened; the difference instead, when the records hold more than so many entries. */
  write(batch: DiskBatch, difference: KeyDifference, entriesMax: number): LogMeta {
    if (this.#entries.length === 0) return this.#meta
    const [from, number] = this.#meta
    this.#entriesRecorded += this.#entries.length
    if (this.#entriesRecorded > entriesMax) {
      const base: Base = { added: [...difference.added], removed: [...difference.removed] }
      batch.put(this.#key(number), JSON.stringify(base))
      for (let old = from; old < number; old++) batch.delete(this.#key(old))
      this.#entriesRecorded = 0
      this.#meta = [number, number + 1]
    } else {
      batch.put(this.#key(number), JSON.stringify(this.#entries))
      this.#meta = [from, number + 1]
    }
    this.#entries = []
    return this.#meta
  }

  #key(number: number): string {
    return `changes\0${this.#name}\0${String(number).padStart(NUMBER_DIGITS, '0')}`
  }
}

function replay(difference: KeyDifference, entry: Entry): void {
  if (typeof entry === 'string') difference.change(entry.slice(1), entry.startsWith('+'))
  else difference.drop(entry.from, entry.to ?? undefined)
}
