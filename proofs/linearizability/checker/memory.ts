/**
 * Where a search has been. It need not go on where it has been with the same operations that ended, the same state, and fewer of those that
 * did not end: whatever they could do here, they could do there.
 */
export class Memory {
  readonly #places = new Map<string, bigint[]>()
  size = 0

  /**
   * Whether the search has been at a place with some of these operations taken; notes it when not. `way`: how it has come, when that bounds
   * where it goes from here.
   */
  knows(place: string, way: string | undefined, taken: bigint): boolean {
    const isCovered = (each: bigint): boolean => (each & ~taken) === 0n
    if (this.#places.get(place)?.some(isCovered) === true) return true
    const name = way === undefined ? place : `${way} ${place}`
    const known = this.#places.get(name)
    if (way !== undefined && known?.some(isCovered) === true) return true
    this.size += 1
    if (known === undefined) this.#places.set(name, [taken])
    else known.push(taken)
    return false
  }
}
