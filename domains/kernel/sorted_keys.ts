/** A chunk that grows beyond this is parted in two. */
const CHUNK_MAX = 512

/**
 * Keys in ascending order of their code units, in chunks: adding or removing one moves a chunk's worth of keys at most,
 * however many there are.
 */
export class SortedKeys {
  #chunks: string[][] = []
  #size = 0

  get size(): number {
    return this.#size
  }

  [Symbol.iterator](): IterableIterator<string> {
    return this.range('')
  }

  /** The keys not less than `from`, and less than `to` where that is given. */
  *range(from: string, to?: string): IterableIterator<string> {
    for (let index = Math.max(0, this.#chunkOf(from)); index < this.#chunks.length; index++) {
      const chunk = this.#chunks[index] as string[]
      let position = (chunk[0] as string) < from ? seek(chunk, from) : 0
      for (; position < chunk.length; position++) {
        const key = chunk[position] as string
        if (to !== undefined && key >= to) return
        yield key
      }
    }
  }

  /** How many keys are not less than `from`, and less than `to` where that is given. */
  count(from: string, to?: string): number {
    if (this.#size === 0 || (to !== undefined && to <= from)) return 0
    return (to === undefined ? this.#size : this.#before(to)) - this.#before(from)
  }

  /** Returns false when it was there already. */
  add(key: string): boolean {
    const index = Math.max(0, this.#chunkOf(key))
    const chunk = this.#chunks[index]
    if (chunk === undefined) {
      this.#chunks.push([key])
      this.#size++
      return true
    }
    const position = seek(chunk, key)
    if (chunk[position] === key) return false
    if (position === chunk.length) chunk.push(key)
    else chunk.splice(position, 0, key)
    this.#size++
    if (chunk.length > CHUNK_MAX) this.#part(index, chunk)
    return true
  }

  has(key: string): boolean {
    const chunk = this.#chunks[this.#chunkOf(key)]
    return chunk !== undefined && chunk[seek(chunk, key)] === key
  }

  clear(): void {
    this.#chunks = []
    this.#size = 0
  }

  /** Returns false when it was not there. */
  remove(key: string): boolean {
    const index = this.#chunkOf(key)
    const chunk = this.#chunks[index]
    if (chunk === undefined) return false
    const position = seek(chunk, key)
    if (chunk[position] !== key) return false
    if (position === 0) chunk.shift()
    else chunk.splice(position, 1)
    this.#size--
    if (chunk.length === 0) this.#chunks.splice(index, 1)
    return true
  }

  /** Appending in order leaves full chunks behind, not half-full ones. */
  #part(index: number, chunk: string[]): void {
    const at = index === this.#chunks.length - 1 ? CHUNK_MAX : CHUNK_MAX >>> 1
    this.#chunks.splice(index + 1, 0, chunk.splice(at))
  }

  #before(key: string): number {
    const index = this.#chunkOf(key)
    if (index < 0) return 0
    let count = 0
    for (let i = 0; i < index; i++) count += (this.#chunks[i] as string[]).length
    return count + seek(this.#chunks[index] as string[], key)
  }

  /** The last chunk whose first key is not above `key`; -1 when there is none. */
  #chunkOf(key: string): number {
    let low = 0
    let high = this.#chunks.length
    while (low < high) {
      const middle = (low + high) >>> 1
      if (((this.#chunks[middle] as string[])[0] as string) <= key) low = middle + 1
      else high = middle
    }
    return low - 1
  }
}

/** The first position in sorted keys whose key is not less than `key`. */
export function seek(keys: readonly string[], key: string): number {
  let low = 0
  let high = keys.length
  while (low < high) {
    const middle = (low + high) >>> 1
    if ((keys[middle] as string) < key) low = middle + 1
    else high = middle
  }
  return low
}
