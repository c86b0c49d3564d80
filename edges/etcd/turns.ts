/** Lets long work go on a slice at a time, one slice a turn of the event loop however much of it there is. */
class Turns {
  #waiting: (() => void)[] = []
  #scheduled = false

  /** Resolves when it is the caller's turn: it may then be busy for about a millisecond. */
  next(): Promise<void> {
    return new Promise((resolve) => {
      this.#waiting.push(resolve)
      this.#schedule()
    })
  }

  #schedule(): void {
    if (this.#scheduled) return
    this.#scheduled = true
    setImmediate(() => {
      this.#scheduled = false
      this.#waiting.shift()?.()
      if (this.#waiting.length > 0) this.#schedule()
    })
  }
}

export const turns = new Turns()
