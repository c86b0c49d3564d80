/** Keys in ascending order of their code units: appending at the end and taking from the front are cheap. */
export class SortedKeys {
  #keys: string[] = []

  get size(): number {
    return this.#keys.length
  }

  [Symbol.iterator](): IterableIterator<string> {
    return this.#keys[Symbol.iterator]()
  }

  at(position: number): string | undefined {
    return this.#keys[position]
  }

  /** The first position whose key is not less than `key`. */
  seek(key: string): number {
    const last = this.#keys.at(-1)
    if (last === undefined || last < key) return this.#keys.length
    let low = 0
    let high = this.#keys.length
    while (low < high) {
      const middle = (low + high) >>> 1
      if ((this.#keys[middle] as string) < key) low = middle + 1
      else high = middle
    }
    return low
  }

  add(key: string): void {
    const position = this.seek(key)
    if (this.#keys[position] === key) return
    if (position === this.#keys.length) this.#keys.push(key)
    else this.#keys.splice(position, 0, key)
  }

  remove(key: string): void {
    const position = this.seek(key)
    if (this.#keys[position] !== key) return
    if (position === 0) this.#keys.shift()
    else this.#keys.splice(position, 1)
  }
}
