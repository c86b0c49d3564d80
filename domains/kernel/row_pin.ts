import { Rejection } from './rejection.ts'

const CHUNK_ROWS = 256
/** Rows that are written while a reader goes through them, and that it has not come to. */
const CHANGED_MAX = 100_000

/**
 * The rows of an interval as they were when it was made, for a reader who takes his time. It keeps what a row was before it changed, for rows
 * that the reader has not come to. (A snapshot of LevelDB would do, were it not for what its version 1.20 then does to other readers.)
 */
export class RowPin<Row> {
  readonly #to: string | undefined
  readonly #before = new Map<string, Row | undefined>()
  #from: string
  #ended = false
  #lost: string | undefined

  constructor(from: string, to: string | undefined) {
    this.#from = from
    this.#to = to
  }

  /** Where the reader goes on. */
  get from(): string {
    return this.#from
  }

  get ended(): boolean {
    return this.#ended
  }

  /** A row is about to be another one, or none. */
  changes(key: string, before: Row | undefined): void {
    if (key < this.#from || (this.#to !== undefined && key >= this.#to) || this.#before.has(key)) return
    if (this.#before.size >= CHANGED_MAX) this.lose('too much is written meanwhile: read it in parts')
    else if (this.#lost === undefined) this.#before.set(key, before)
  }

  /** Nothing more can be read. */
  lose(why: string): void {
    this.#before.clear()
    this.#lost = why
  }

  /** The next rows: `keys` are those that are there now, from `from` on. Throws a Rejection when they are not kept any more. */
  next(keys: IterableIterator<string>, read: (key: string) => Row | undefined): readonly Row[] {
    if (this.#lost !== undefined)
      throw new Rejection('UNAVAILABLE', `the rows cannot be read on: ${this.#lost}`)
    const found: [key: string, row: Row | undefined][] = []
    let last: string | undefined
    for (const key of keys) {
      found.push([key, this.#before.has(key) ? this.#before.get(key) : read(key)])
      if (found.length < CHUNK_ROWS) continue
      last = key
      break
    }
    const there = new Set(found.map(([key]) => key))
    for (const [key, row] of this.#before) {
      if (last !== undefined && key > last) continue
      this.#before.delete(key)
      if (!there.has(key)) found.push([key, row])
    }
    this.#ended = last === undefined
    this.#from = `${last ?? ''}\0`
    return found
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(([, row]) => row)
      .filter((row) => row !== undefined)
  }
}
