import { SortedKeys } from './sorted_keys.ts'

/** One write, with the row before and after it: undefined where there is none. */
export interface Write {
  readonly table: Table
  readonly key: string
  readonly before: object | undefined
  readonly after: object | undefined
}

/** Every write to any table of a state, in order. Undoing is reading it backwards. */
export class Journal {
  #writes: Write[] = []

  record(write: Write): void {
    this.#writes.push(write)
  }

  /** A place to come back to. */
  savepoint(): number {
    return this.#writes.length
  }

  /** Undoes every write since the savepoint, newest first. */
  rollback(savepoint: number): void {
    for (let i = this.#writes.length - 1; i >= savepoint; i--) {
      const write = this.#writes[i] as Write
      write.table.restore(write.key, write.before)
    }
    this.#writes.length = savepoint
  }

  /** Takes all writes out: they are now either kept by the caller for a later undo, or final. */
  take(): readonly Write[] {
    const taken = this.#writes
    this.#writes = []
    return taken
  }
}

/** Undoes writes that were taken out of a journal. */
export function undo(writes: readonly Write[]): void {
  for (let i = writes.length - 1; i >= 0; i--) {
    const write = writes[i] as Write
    write.table.restore(write.key, write.before)
  }
}

/** An index key of a row; undefined where the row is not indexed. */
export type KeyOf<Row> = (row: Row) => string | undefined

export interface TableSpec<
  Row extends object,
  U extends string = never,
  I extends string = never,
  S extends string = never,
> {
  /** At most one row a key. A second one throws UniqueViolation. */
  readonly unique?: Readonly<Record<U, KeyOf<Row>>>
  /** Any number of rows a key. */
  readonly index?: Readonly<Record<I, KeyOf<Row>>>
  /** A running total a key, in integers. */
  readonly sum?: Readonly<Record<S, { readonly key: KeyOf<Row>; readonly amount: (row: Row) => number }>>
}

/** What decisions see of a table. */
export interface ReadTable<
  Row extends object,
  U extends string = never,
  I extends string = never,
  S extends string = never,
> {
  readonly name: string
  readonly size: number
  get(key: string): Row | undefined
  /** The one row under a key of a unique index. */
  find(index: U, key: string): Row | undefined
  /** The rows under a key of an index, in the order of their table keys. */
  list(index: I, key: string): readonly Row[]
  count(index: I, key: string): number
  /** The total under a key; 0 where there is nothing. */
  sum(total: S, key: string): number
  /** All rows, in the order of their keys; from `after` (exclusive) where given. */
  values(after?: string): IterableIterator<Row>
  /** The rows whose keys are not less than `from`, and less than `to` where that is given, in their order. */
  range(from: string, to?: string): IterableIterator<Row>
  /** How many rows `range` gives. */
  countRange(from: string, to?: string): number
}

export class UniqueViolation extends Error {
  readonly table: string
  readonly index: string
  readonly key: string
  constructor(table: string, index: string, key: string) {
    super(`${table}: another row has the ${index} ${key}`)
    this.name = 'UniqueViolation'
    this.table = table
    this.index = index
    this.key = key
  }
}

/** Hears of every change of a row, also of undone ones; used for indexes that span tables. */
export type Watcher = (key: string, before: object | undefined, after: object | undefined) => void

/** Frozen rows by key, with indexes that follow every write and every undo. The only writes are `put` and `delete`. */
export class Table<
  Row extends object = object,
  U extends string = string,
  I extends string = string,
  S extends string = string,
> implements ReadTable<Row, U, I, S>
{
  readonly name: string
  readonly #journal: Journal
  readonly #rows = new Map<string, Row>()
  readonly #keys = new SortedKeys()
  readonly #unique: [name: string, key: KeyOf<Row>, rows: Map<string, string>][]
  readonly #index: [name: string, key: KeyOf<Row>, rows: Map<string, SortedKeys>][]
  readonly #sum: [name: string, key: KeyOf<Row>, amount: (row: Row) => number, totals: Map<string, number>][]
  readonly #watcher: Watcher | undefined

  constructor(name: string, spec: TableSpec<Row, U, I, S>, journal: Journal, watcher?: Watcher) {
    this.name = name
    this.#journal = journal
    this.#watcher = watcher
    this.#unique = Object.entries<KeyOf<Row>>(spec.unique ?? {}).map(([index, key]) => [
      index,
      key,
      new Map(),
    ])
    this.#index = Object.entries<KeyOf<Row>>(spec.index ?? {}).map(([index, key]) => [index, key, new Map()])
    this.#sum = Object.entries<{ key: KeyOf<Row>; amount: (row: Row) => number }>(spec.sum ?? {}).map(
      ([total, { key, amount }]) => [total, key, amount, new Map()],
    )
  }

  get size(): number {
    return this.#rows.size
  }

  get(key: string): Row | undefined {
    return this.#rows.get(key)
  }

  find(index: U, key: string): Row | undefined {
    const found = named(this.#unique, index)[2].get(key)
    return found === undefined ? undefined : this.#rows.get(found)
  }

  list(index: I, key: string): readonly Row[] {
    const keys = named(this.#index, index)[2].get(key) ?? []
    return [...keys].map((at) => this.#rows.get(at) as Row)
  }

  count(index: I, key: string): number {
    return named(this.#index, index)[2].get(key)?.size ?? 0
  }

  sum(total: S, key: string): number {
    return named(this.#sum, total)[3].get(key) ?? 0
  }

  *values(after?: string): IterableIterator<Row> {
    for (const key of this.#keys.range(after ?? '')) if (key !== after) yield this.#rows.get(key) as Row
  }

  *range(from: string, to?: string): IterableIterator<Row> {
    for (const key of this.#keys.range(from, to)) yield this.#rows.get(key) as Row
  }

  countRange(from: string, to?: string): number {
    return this.#keys.count(from, to)
  }

  put(key: string, row: Row): void {
    const after = deepFreeze(row)
    for (const [name, keyOf, rows] of this.#unique) {
      const wanted = keyOf(after)
      const holder = wanted === undefined ? undefined : rows.get(wanted)
      if (holder !== undefined && holder !== key) throw new UniqueViolation(this.name, name, wanted as string)
    }
    const before = this.#rows.get(key)
    this.#set(key, before, after)
    this.#journal.record({ table: this as unknown as Table, key, before, after })
  }

  delete(key: string): void {
    const before = this.#rows.get(key)
    if (before === undefined) throw new RangeError(`${this.name}: no row ${key} to delete`)
    this.#set(key, before, undefined)
    this.#journal.record({ table: this as unknown as Table, key, before, after: undefined })
  }

  /** Sets a row (or none) without journaling it: for undo, and for loading rows from disk. */
  restore(key: string, row: object | undefined): void {
    this.#set(key, this.#rows.get(key), row === undefined ? undefined : deepFreeze(row as Row))
  }

  /** Takes every row out without journaling it. */
  clear(): void {
    for (const key of [...this.#keys].reverse()) this.restore(key, undefined)
  }

  #set(key: string, before: Row | undefined, after: Row | undefined): void {
    if (after === undefined) {
      this.#rows.delete(key)
      this.#keys.remove(key)
    } else {
      this.#rows.set(key, after)
      if (before === undefined) this.#keys.add(key)
    }
    for (const [, keyOf, rows] of this.#unique) {
      const from = before === undefined ? undefined : keyOf(before)
      const to = after === undefined ? undefined : keyOf(after)
      if (from === to) continue
      if (from !== undefined && rows.get(from) === key) rows.delete(from)
      if (to !== undefined) rows.set(to, key)
    }
    for (const [, keyOf, rows] of this.#index) {
      const from = before === undefined ? undefined : keyOf(before)
      const to = after === undefined ? undefined : keyOf(after)
      if (from === to) continue
      if (from !== undefined) removeFrom(rows, from, key)
      if (to !== undefined) addTo(rows, to, key)
    }
    for (const [, keyOf, amount, totals] of this.#sum) {
      if (before !== undefined) addAmount(totals, keyOf(before), -amount(before))
      if (after !== undefined) addAmount(totals, keyOf(after), amount(after))
    }
    this.#watcher?.(key, before, after)
  }
}

function named<T extends [name: string, ...rest: unknown[]]>(list: readonly T[], name: string): T {
  const found = list.find(([other]) => other === name)
  if (found === undefined) throw new RangeError(`there is no index ${name}`)
  return found
}

function addTo(rows: Map<string, SortedKeys>, at: string, key: string): void {
  let keys = rows.get(at)
  if (keys === undefined) {
    keys = new SortedKeys()
    rows.set(at, keys)
  }
  keys.add(key)
}

function removeFrom(rows: Map<string, SortedKeys>, at: string, key: string): void {
  const keys = rows.get(at)
  keys?.remove(key)
  if (keys?.size === 0) rows.delete(at)
}

function addAmount(totals: Map<string, number>, key: string | undefined, amount: number): void {
  if (key === undefined) return
  const total = (totals.get(key) ?? 0) + amount
  if (total === 0) totals.delete(key)
  else totals.set(key, total)
}

function deepFreeze<T extends object>(value: T): T {
  if (Object.isFrozen(value)) return value
  for (const part of Object.values(value)) {
    if (typeof part === 'object' && part !== null && !(part instanceof Uint8Array)) deepFreeze(part as object)
  }
  return Object.freeze(value)
}
