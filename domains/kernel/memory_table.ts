import { setImmediate as nextTurn } from 'node:timers/promises'
import { Pinned } from './pinned.ts'
import { SortedKeys } from './sorted_keys.ts'
import {
  deepFreeze,
  type Journal,
  type KeyOf,
  type Table,
  type TableSpec,
  UniqueViolation,
  type Watcher,
} from './table.ts'

/** Rows of a pinned range that are given at once. */
const CHUNK_ROWS = 256

/** A table whose rows are all in memory. */
export class MemoryTable<
  Row extends object = object,
  U extends string = string,
  I extends string = string,
  S extends string = string,
> implements Table<Row, U, I, S>
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
    return [...this.listKeys(index, key)].map((at) => this.#rows.get(at) as Row)
  }

  *listKeys(index: I, key: string, from = ''): IterableIterator<string> {
    yield* named(this.#index, index)[2].get(key)?.range(from) ?? []
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

  keys(from: string, to?: string): IterableIterator<string> {
    return this.#keys.range(from, to)
  }

  countRange(from: string, to?: string): number {
    return this.#keys.count(from, to)
  }

  chunks(from: string, to?: string): AsyncIterableIterator<readonly Row[]> {
    const rows = [...this.range(from, to)]
    const read = async (): Promise<readonly Row[] | undefined> => {
      await nextTurn()
      return rows.length === 0 ? undefined : rows.splice(0, CHUNK_ROWS)
    }
    return new Pinned(read, async () => undefined)
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
    this.#journal.record({ table: this, key, before, after })
  }

  delete(key: string): void {
    const before = this.#rows.get(key)
    if (before === undefined) throw new RangeError(`${this.name}: no row ${key} to delete`)
    this.#set(key, before, undefined)
    this.#journal.record({ table: this, key, before, after: undefined })
  }

  /** Also for loading rows from disk. */
  restore(key: string, row: object | undefined): void {
    this.#set(key, this.#rows.get(key), row === undefined ? undefined : deepFreeze(row as Row))
  }

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
