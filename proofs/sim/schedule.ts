interface Event {
  readonly time: number
  /** Breaks ties, so that the order never depends on the heap. */
  readonly sequence: number
  readonly run: () => void
}

function isBefore(left: Event, right: Event): boolean {
  return left.time < right.time || (left.time === right.time && left.sequence < right.sequence)
}

/** Simulated time: a binary heap of what is to happen. */
export class Schedule {
  #heap: Event[] = []
  #sequence = 0
  #now = 0

  get now(): number {
    return this.#now
  }

  /** Infinity when nothing is to happen. */
  get nextTime(): number {
    return this.#heap[0]?.time ?? Number.POSITIVE_INFINITY
  }

  /** `delay` is in simulated units of time, 0 or more. */
  after(delay: number, run: () => void): void {
    this.#sequence += 1
    const event = { time: this.#now + delay, sequence: this.#sequence, run }
    const heap = this.#heap
    let position = heap.length
    heap.push(event)
    while (position > 0) {
      const above = (position - 1) >> 1
      const parent = heap[above]
      if (parent === undefined || !isBefore(event, parent)) break
      heap[position] = parent
      position = above
    }
    heap[position] = event
  }

  /** Runs the next event. False when nothing is left. */
  step(): boolean {
    const heap = this.#heap
    const first = heap[0]
    const last = heap.pop()
    if (first === undefined || last === undefined) return false
    if (heap.length > 0) this.#sink(last)
    this.#now = first.time
    first.run()
    return true
  }

  #sink(event: Event): void {
    const heap = this.#heap
    let position = 0
    for (;;) {
      const left = heap[2 * position + 1]
      if (left === undefined) break
      const right = heap[2 * position + 2]
      const isRight = right !== undefined && isBefore(right, left)
      const child = isRight ? right : left
      if (isBefore(event, child)) break
      heap[position] = child
      position = 2 * position + (isRight ? 2 : 1)
    }
    heap[position] = event
  }
}
