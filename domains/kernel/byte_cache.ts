interface Kept<V> {
  value: V
  bytes: number
}

/**
 * Values of which the least recently used ones are forgotten above a bound of bytes. It keeps two generations: what is used moves into
 * the young one, and when that holds half of the bound the old one is dropped whole. So a read that finds its value young costs one
 * look-up, and no list has to be kept in order.
 */
export class ByteCache<K, V> {
  readonly #generationBytes: number
  #young = new Map<K, Kept<V>>()
  #old = new Map<K, Kept<V>>()
  #youngBytes = 0

  constructor(bytesMax: number) {
    this.#generationBytes = bytesMax / 2
  }

  get(key: K): V | undefined {
    const young = this.#young.get(key)
    if (young !== undefined) return young.value
    const old = this.#old.get(key)
    if (old === undefined) return undefined
    this.#old.delete(key)
    this.#add(key, old)
    return old.value
  }

  /** Keeps a value that takes so many bytes, roughly; none that would take a whole generation. */
  set(key: K, value: V, bytes: number): void {
    if (bytes >= this.#generationBytes) return this.delete(key)
    const young = this.#young.get(key)
    if (young !== undefined) {
      this.#youngBytes += bytes - young.bytes
      young.value = value
      young.bytes = bytes
      return
    }
    this.#old.delete(key)
    this.#add(key, { value, bytes })
  }

  delete(key: K): void {
    const young = this.#young.get(key)
    if (young !== undefined) {
      this.#young.delete(key)
      this.#youngBytes -= young.bytes
    } else this.#old.delete(key)
  }

  clear(): void {
    this.#young = new Map()
    this.#old = new Map()
    this.#youngBytes = 0
  }

  #add(key: K, kept: Kept<V>): void {
    if (this.#youngBytes + kept.bytes > this.#generationBytes) {
      this.#old = this.#young
      this.#young = new Map()
      this.#youngBytes = 0
    }
    this.#young.set(key, kept)
    this.#youngBytes += kept.bytes
  }
}
