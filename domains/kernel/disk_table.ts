import { DiskKeys, type KeyLimits, type KeysMeta } from './disk_keys.ts'
import { DiskRows } from './disk_rows.ts'
import type { DiskBatch, RowDisk } from './row_disk.ts'
import type { RowsMeta, StoredRows } from './stored_rows.ts'
import { deepFreeze, type Journal, type KeyOf, type Table, type TableSpec, type Write } from './table.ts'

export interface DiskLimits extends KeyLimits {
  /** What the rows kept in memory because they were read or written last may take, roughly. */
  readonly rowCacheBytes: number
}

export interface DiskMeta extends RowsMeta {
  /** Of the keys, under the table's name, and of each index. */
  readonly sets: Readonly<Record<string, KeysMeta>>
}

/** Between an index's key and a row's, in the index's own order. */
const SEPARATOR = '\0'
const AFTER_SEPARATOR = '\x01'

/**
 * A table whose rows and their order are on disk, with what is in flight over them. All reads and writes are synchronous, and take
 * bounded memory however many rows there are. As long as no disk is attached everything is in flight. Where something on disk is not
 * what was written, what reads it throws a Rejection.
 */
export class DiskTable<Row extends object, I extends string>
  implements Table<Row, never, I, never>, StoredRows<DiskMeta>
{
  readonly name: string
  readonly #journal: Journal
  readonly #rows: DiskRows<Row>
  readonly #keys: DiskKeys
  readonly #indexes: readonly {
    readonly index: string
    readonly keyOf: KeyOf<Row>
    readonly keys: DiskKeys
  }[]
  #disk: RowDisk | undefined

  /** Throws TypeError for a specification with unique indexes or sums: they would have to be in memory. */
  constructor(name: string, spec: TableSpec<Row, never, I>, journal: Journal) {
    if (spec.unique !== undefined || spec.sum !== undefined)
      throw new TypeError(`${name} is on disk: it can have neither unique indexes nor sums`)
    this.name = name
    this.#journal = journal
    this.#keys = new DiskKeys(name)
    this.#rows = new DiskRows(name, this.#keys)
    this.#indexes = Object.entries<KeyOf<Row>>(spec.index ?? {}).map(([index, keyOf]) => {
      return { index, keyOf, keys: new DiskKeys(`${name}.${index}`) }
    })
  }

  get size(): number {
    return this.#keys.size
  }

  get(key: string): Row | undefined {
    return this.#rows.get(key)
  }

  find(index: never): undefined {
    throw new RangeError(`${this.name} has no unique index ${String(index)}`)
  }

  sum(total: never): number {
    throw new RangeError(`${this.name} has no sum ${String(total)}`)
  }

  list(index: I, key: string): readonly Row[] {
    return [...this.listKeys(index, key)].map((at) => this.#row(at))
  }

  *listKeys(index: I, key: string, from = ''): IterableIterator<string> {
    const start = key + SEPARATOR
    for (const entry of this.#index(index).range(start + from, key + AFTER_SEPARATOR))
      yield entry.slice(start.length)
  }

  count(index: I, key: string): number {
    return this.#index(index).count(key + SEPARATOR, key + AFTER_SEPARATOR)
  }

  *values(after?: string): IterableIterator<Row> {
    for (const key of this.#keys.range(after ?? '')) if (key !== after) yield this.#row(key)
  }

  *range(from: string, to?: string): IterableIterator<Row> {
    if (isOne(from, to)) {
      const row = this.get(from)
      if (row !== undefined) yield row
      return
    }
    for (const key of this.#keys.range(from, to)) yield this.#row(key)
  }

  keys(from: string, to?: string): IterableIterator<string> {
    return this.#keys.range(from, to)
  }

  countRange(from: string, to?: string): number {
    if (isOne(from, to)) return this.get(from) === undefined ? 0 : 1
    return this.#keys.count(from, to)
  }

  chunks(from: string, to?: string): AsyncIterableIterator<readonly Row[]> {
    return this.#rows.chunks(from, to)
  }

  put(key: string, row: Row): void {
    const after = deepFreeze(row)
    const before = this.#rows.set(key, after)
    this.#change(key, before, after)
    this.#journal.record({ table: this, key, before, after })
  }

  delete(key: string): void {
    const before = this.#rows.set(key, undefined)
    if (before === undefined) {
      this.#rows.undo(key, undefined)
      throw new RangeError(`${this.name}: no row ${key} to delete`)
    }
    this.#change(key, before, undefined)
    this.#journal.record({ table: this, key, before, after: undefined })
  }

  restore(key: string, row: object | undefined): void {
    this.#change(key, this.#rows.undo(key, row as Row | undefined), row as Row | undefined)
  }

  clear(): void {
    this.#rows.clear()
    for (const keys of this.#sets) keys.clear()
  }

  attach(disk: RowDisk, limits: DiskLimits): void {
    this.#disk = disk
    this.#rows.attach(disk, limits.rowCacheBytes)
    for (const keys of this.#sets) keys.attach(disk, limits)
  }

  /** Loads the directories of keys. Throws Error where they are not what was written; then `clear` begins anew. */
  async load(disk: RowDisk, meta: DiskMeta): Promise<void> {
    this.#rows.resume(meta)
    for (const keys of this.#sets) await keys.load(disk, meta.sets[keys.name] as KeysMeta)
    const size = this.#keys.committedSize
    if (size !== meta.rows) throw new Error(`${this.name}: ${meta.rows} rows were written, and ${size} keys`)
  }

  queue({ key, before, after }: Write): number {
    const [from, to] = [before as Row | undefined, after as Row | undefined]
    if (from === undefined || to === undefined)
      if (from !== to) this.#commit(this.#keys, key, to !== undefined)
    for (const { keyOf, keys } of this.#indexes) {
      const old = from === undefined ? undefined : keyOf(from)
      const now = to === undefined ? undefined : keyOf(to)
      if (old === now) continue
      if (old !== undefined) this.#commit(keys, old + SEPARATOR + key, false)
      if (now !== undefined) this.#commit(keys, now + SEPARATOR + key, true)
    }
    return this.#rows.queue(key, to)
  }

  write(batch: DiskBatch): DiskMeta {
    this.#rows.write(batch)
    const sets = this.#sets.map((keys) => [keys.name, keys.write(batch)] as const)
    return { ...this.#rows.meta, sets: Object.fromEntries(sets) }
  }

  written(): void {
    this.#rows.written()
    for (const keys of this.#sets) keys.written()
  }

  *scrub(disk: RowDisk): Generator<void> {
    yield* this.#rows.scrub(disk)
    for (const keys of this.#sets) yield* keys.scrub()
  }

  get #sets(): readonly DiskKeys[] {
    return [this.#keys, ...this.#indexes.map(({ keys }) => keys)]
  }

  #index(name: I): DiskKeys {
    const found = this.#indexes.find(({ index }) => index === name)
    if (found === undefined) throw new RangeError(`there is no index ${name}`)
    return found.keys
  }

  /** The row of a key that there is. */
  #row(key: string): Row {
    const row = this.get(key)
    if (row !== undefined) return row
    const text = `${this.name}: row ${JSON.stringify(key)} is lost`
    if (this.#disk === undefined) throw new Error(text)
    return this.#disk.damaged(text)
  }

  #change(key: string, before: Row | undefined, after: Row | undefined): void {
    if (before === undefined ? after !== undefined : after === undefined)
      this.#keys.change(key, after !== undefined)
    for (const { keyOf, keys } of this.#indexes) {
      const old = before === undefined ? undefined : keyOf(before)
      const now = after === undefined ? undefined : keyOf(after)
      if (old === now) continue
      if (old !== undefined) keys.change(old + SEPARATOR + key, false)
      if (now !== undefined) keys.change(now + SEPARATOR + key, true)
    }
  }

  #commit(keys: DiskKeys, key: string, comes: boolean): void {
    if (keys.commit(key, comes)) return
    const text = `${this.name}: key ${JSON.stringify(key)} ${comes ? 'is there already' : 'is lost'}`
    if (this.#disk === undefined) throw new Error(text)
    this.#disk.damaged(text)
  }
}

/** Whether no other key than `from` can be between the two. */
function isOne(from: string, to: string | undefined): boolean {
  return to !== undefined && to.length === from.length + 1 && to.endsWith('\0') && to.startsWith(from)
}
