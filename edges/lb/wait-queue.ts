interface Waiter {
  /** True when the waiter is served and leaves the queue; false when it must go on waiting. */
  readonly attempt: () => boolean
  readonly timer: NodeJS.Timeout
}

/** First come, first served, bounded in length and in time. */
export class WaitQueue {
  readonly #lengthMax: number
  readonly #waitMilliseconds: number
  readonly #waiters = new Set<Waiter>()

  constructor(lengthMax: number, waitMilliseconds: number) {
    this.#lengthMax = lengthMax
    this.#waitMilliseconds = waitMilliseconds
  }

  get length(): number {
    return this.#waiters.size
  }

  /**
   * Queues `attempt`, which `wake` calls until it gives true. Gives a function that leaves the queue, or null when the
   * queue is full. After the wait time `expire` is called instead.
   */
  join(attempt: () => boolean, expire: () => void): (() => void) | null {
    if (this.#waiters.size >= this.#lengthMax) return null
    const timer = setTimeout(() => {
      this.#waiters.delete(waiter)
      expire()
    }, this.#waitMilliseconds)
    const waiter: Waiter = { attempt, timer }
    this.#waiters.add(waiter)
    return () => {
      clearTimeout(timer)
      this.#waiters.delete(waiter)
    }
  }

  /** Serves waiters in their order until one cannot be served. */
  wake(): void {
    for (const waiter of this.#waiters) {
      if (!waiter.attempt()) return
      clearTimeout(waiter.timer)
      this.#waiters.delete(waiter)
    }
  }
}
