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
  /**
   * For what may outgrow memory: rows and their order are read from disk as they are asked for, and what is in flight lies over them.
   * Such a table has neither unique indexes nor sums.
   */
  readonly onDisk?: boolean
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
  /** The table keys of `list`, from `from` on where given. Reads no row. */
  listKeys(index: I, key: string, from?: string): IterableIterator<string>
  count(index: I, key: string): number
  /** The total under a key; 0 where there is nothing. */
  sum(total: S, key: string): number
  /** All rows, in the order of their keys; from `after` (exclusive) where given. */
  values(after?: string): IterableIterator<Row>
  /** The rows whose keys are not less than `from`, and less than `to` where that is given, in their order. */
  range(from: string, to?: string): IterableIterator<Row>
  /** The keys of `range`. Reads no row. */
  keys(from: string, to?: string): IterableIterator<string>
  /** How many rows `range` gives. */
  countRange(from: string, to?: string): number
  /**
   * The rows of `range` as they are at the call, whatever is written meanwhile, with turns of the event loop in between: for readers
   * of many rows, never for a decision. Each chunk is bounded. Ends early with a Rejection where rows turn out to be damaged.
   */
  chunks(from: string, to?: string): AsyncIterableIterator<readonly Row[]>
}

/** Rows by key. The only writes are `put` and `delete`: journaled, and followed by every index, as is every undo. */
export interface Table<
  Row extends object = object,
  U extends string = string,
  I extends string = string,
  S extends string = string,
> extends ReadTable<Row, U, I, S> {
  /** Throws UniqueViolation. The row is frozen. */
  put(key: string, row: Row): void
  /** Throws RangeError where there is no such row. */
  delete(key: string): void
  /** Undoes a write: the row (or none) that was there before it. */
  restore(key: string, row: object | undefined): void
  /** Takes every row out without journaling it. */
  clear(): void
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

/** Freezes a row all the way down; bytes cannot be frozen, and are left. */
export function deepFreeze<T extends object>(value: T): T {
  if (Object.isFrozen(value)) return value
  for (const part of Object.values(value)) {
    if (typeof part === 'object' && part !== null && !(part instanceof Uint8Array)) deepFreeze(part as object)
  }
  return Object.freeze(value)
}
