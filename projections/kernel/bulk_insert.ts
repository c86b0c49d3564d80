import type { DatabaseSync, SQLInputValue, StatementSync } from 'node:sqlite'

/** Rows in one statement: many, then few, then the rest one by one. */
const SIZES = [16, 4, 1] as const

/**
 * Collects rows for a table and inserts them by many at a time: with one, the call costs more than the row. Whoever flushes must roll
 * the transaction back when that throws: so that SQLite need not write down how to undo each statement, some of its rows may stay.
 */
export class BulkInsert {
  readonly #database: DatabaseSync
  readonly #into: string
  readonly #row: string
  readonly #width: number
  readonly #statements = new Map<number, StatementSync>()
  #values: SQLInputValue[] = []

  /** `table` is an identifier of this program, never a user's. */
  constructor(database: DatabaseSync, table: string, columns: readonly string[]) {
    this.#database = database
    this.#into = `INSERT OR FAIL INTO "${table}" (${columns.join(', ')}) VALUES `
    this.#row = `(${columns.map(() => '?').join(', ')})`
    this.#width = columns.length
  }

  get rows(): number {
    return this.#values.length / this.#width
  }

  /** One row, a value a column. */
  add(...row: readonly SQLInputValue[]): void {
    for (const value of row) this.#values.push(value)
  }

  flush(): void {
    const values = this.#values
    if (values.length === 0) return
    let at = 0
    for (const size of SIZES) {
      const width = size * this.#width
      for (; values.length - at >= width; at += width)
        this.#statement(size).run(...values.slice(at, at + width))
    }
    this.#values = []
  }

  /** Forgets what was not inserted. */
  clear(): void {
    this.#values = []
  }

  #statement(size: number): StatementSync {
    let statement = this.#statements.get(size)
    if (statement === undefined) {
      statement = this.#database.prepare(this.#into + Array(size).fill(this.#row).join(', '))
      this.#statements.set(size, statement)
    }
    return statement
  }
}
