/** A connection, as the budget sees it. */
export interface Holder {
  /** Bytes of memory that it holds. */
  readonly held: number
  /** Lets go of everything at once. */
  cut(): void
}

/**
 * The memory of all connections of a server together: requests that have not come whole, answers that are not taken. When there is too
 * much of it, who holds most is cut off, so that nobody keeps the others from being served by holding what he never uses.
 */
export class Budget {
  readonly #bytesMax: number
  readonly #holders = new Set<Holder>()
  #held = 0

  constructor(bytesMax: number) {
    this.#bytesMax = bytesMax
  }

  get held(): number {
    return this.#held
  }

  join(holder: Holder): void {
    this.#holders.add(holder)
  }

  leave(holder: Holder): void {
    this.#holders.delete(holder)
  }

  /** A holder, which has counted them already, holds more bytes, or less. */
  change(bytes: number): void {
    this.#held += bytes
    // Who is cut lets go of one thing after the other.
    if (bytes <= 0) return
    while (this.#held > this.#bytesMax && this.#cutLargest());
  }

  #cutLargest(): boolean {
    let largest: Holder | undefined
    for (const holder of this.#holders)
      if (largest === undefined || holder.held > largest.held) largest = holder
    if (largest === undefined) return false
    this.#holders.delete(largest)
    largest.cut()
    return true
  }
}
