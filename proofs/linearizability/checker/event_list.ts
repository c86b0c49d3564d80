import type { Operation } from './history.ts'

/**
 * The calls and returns of the operations that ended, in the order of time, as a doubly linked list (Wing and Gong's, as Lowe and
 * porcupine have it): an operation is taken out and put back in constant time. A call comes before a return of the same instant, so that
 * what touches counts as overlapping.
 */
export class EventList {
  readonly #next: Int32Array
  readonly #previous: Int32Array
  /** Of each place of the list: the operation, and whether this is its return. Place 0 is the head. */
  readonly #operation: Int32Array
  readonly #isReturn: Uint8Array
  /** Where each operation's call and return are. */
  readonly #callAt: Int32Array
  readonly #returnAt: Int32Array

  /** Operations are named by their place in the array; those without an end are not in the list. */
  constructor(operations: readonly Operation<unknown, unknown>[]) {
    const events = operations.flatMap(({ call, end }, operation) =>
      end === Number.POSITIVE_INFINITY
        ? []
        : [
            { time: call, operation, isReturn: 0 },
            { time: end, operation, isReturn: 1 },
          ],
    )
    events.sort((a, b) => a.time - b.time || a.isReturn - b.isReturn)
    const places = events.length + 1
    this.#next = new Int32Array(places)
    this.#previous = new Int32Array(places)
    this.#operation = new Int32Array(places)
    this.#isReturn = new Uint8Array(places)
    this.#callAt = new Int32Array(operations.length)
    this.#returnAt = new Int32Array(operations.length)
    for (let place = 0; place < places; place++) {
      this.#next[place] = (place + 1) % places
      this.#previous[place] = (place + places - 1) % places
    }
    for (const [index, { operation, isReturn }] of events.entries()) {
      const place = index + 1
      this.#operation[place] = operation
      this.#isReturn[place] = isReturn
      const at = isReturn === 1 ? this.#returnAt : this.#callAt
      at[operation] = place
    }
  }

  /** The operations that can come next: those called before the first return; and which operation that return is of, if there is one. */
  front(): { readonly candidates: number[]; readonly firstReturn: number | undefined } {
    const candidates: number[] = []
    for (let place = this.#next[0] as number; place !== 0; place = this.#next[place] as number) {
      const operation = this.#operation[place] as number
      if (this.#isReturn[place] === 1) return { candidates, firstReturn: operation }
      candidates.push(operation)
    }
    return { candidates, firstReturn: undefined }
  }

  take(operation: number): void {
    this.#unlink(this.#callAt[operation] as number)
    this.#unlink(this.#returnAt[operation] as number)
  }

  /** Undoes the last `take`: they are undone in the reverse order. */
  putBack(operation: number): void {
    this.#link(this.#returnAt[operation] as number)
    this.#link(this.#callAt[operation] as number)
  }

  #unlink(place: number): void {
    const next = this.#next[place] as number
    const previous = this.#previous[place] as number
    this.#next[previous] = next
    this.#previous[next] = previous
  }

  #link(place: number): void {
    this.#next[this.#previous[place] as number] = place
    this.#previous[this.#next[place] as number] = place
  }
}
