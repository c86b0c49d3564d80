/** What was there when it was made, in chunks that are read one after the other. Whoever does not read to the end returns it. */
export class Pinned<T> implements AsyncIterableIterator<readonly T[]> {
  readonly #read: () => Promise<readonly T[] | undefined>
  readonly #close: () => Promise<void>
  #ended = false

  /** `read` gives the next chunk, undefined after the last one; `close` gives back what is held for it. */
  constructor(read: () => Promise<readonly T[] | undefined>, close: () => Promise<void>) {
    this.#read = read
    this.#close = close
  }

  async next(): Promise<IteratorResult<readonly T[], undefined>> {
    if (this.#ended) return { done: true, value: undefined }
    try {
      const value = await this.#read()
      return value === undefined ? await this.return() : { done: false, value }
    } catch (error) {
      await this.return()
      throw error
    }
  }

  async return(): Promise<{ done: true; value: undefined }> {
    if (!this.#ended) {
      this.#ended = true
      await this.#close()
    }
    return { done: true, value: undefined }
  }

  [Symbol.asyncIterator](): this {
    return this
  }
}
