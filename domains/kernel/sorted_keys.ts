/** So many free places at the front are kept before the keys move up. */
const FREE_MAX = 1024

/** Keys in ascending order of their code units: appending at the end, and taking from and giving back to the front, are cheap. */
export class SortedKeys {
  #keys: string[] = []
  /** Where the first key is: what is before it is free. */
  #head = 0

  get size(): number {
    return this.#keys.length - this.#head
  }

  *[Symbol.iterator](): IterableIterator<string> {
    for (let position = 0; position < this.size; position++) yield this.at(position) as string
  }

  at(position: number): string | undefined {
    return this.#keys[this.#head + position]
  }

  /** The first position whose key is not less than `key`. */
  seek(key: string): number {
    const last = this.size === 0 ? undefined : this.#keys.at(-1)
    if (last === undefined || last < key) return this.size
    let low = 0
    let high = this.size
    while (low < high) {
      const middle = (low + high) >>> 1
      if ((this.at(middle) as string) < key) low = middle + 1
      else high = middle
    }
    return low
  }

  add(key: string): void {
    const position = this.seek(key)
    if (this.at(position) === key) return
    if (position === this.size) this.#keys.push(key)
    else if (position === 0 && this.#head > 0) this.#keys[--this.#head] = key
    else this.#keys.splice(this.#head + position, 0, key)
  }

  remove(key: string): void {
    const position = this.seek(key)
    if (this.at(position) !== key) return
    if (position === this.size - 1) this.#keys.pop()
    else if (position === 0) this.#removeFirst()
    else this.#keys.splice(this.#head + position, 1)
  }

  #removeFirst(): void {
    this.#keys[this.#head++] = ''
    if (this.#head <= FREE_MAX && this.#head * 2 <= this.#keys.length) return
    this.#keys = this.#keys.slice(this.#head)
    this.#head = 0
  }
}
