/**
 * Calls `tick` once per interval of elapsed time. After the process was stopped or blocked, at most `ticksMax` are made
 * up for: the messages that came in meanwhile must be read before an election is considered.
 */
export class Ticker {
  readonly #intervalMilliseconds: number
  readonly #ticksMax: number
  readonly #tick: () => void
  #timer: NodeJS.Timeout | undefined
  #last = 0

  constructor(intervalMilliseconds: number, ticksMax: number, tick: () => void) {
    this.#intervalMilliseconds = intervalMilliseconds
    this.#ticksMax = ticksMax
    this.#tick = tick
  }

  start(): void {
    this.#last = performance.now()
    this.#timer = setInterval(() => this.#wake(), this.#intervalMilliseconds)
  }

  stop(): void {
    clearInterval(this.#timer)
  }

  #wake(): void {
    const now = performance.now()
    const due = Math.floor((now - this.#last) / this.#intervalMilliseconds)
    const late = due > this.#ticksMax
    this.#last = late ? now : this.#last + due * this.#intervalMilliseconds
    for (let count = Math.min(due, this.#ticksMax); count > 0; count -= 1) this.#tick()
  }
}
