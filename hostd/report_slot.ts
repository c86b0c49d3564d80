import { isDeepStrictEqual } from 'node:util'
import { backoffMilliseconds } from './backoff.ts'
import type { Observation } from './desired.ts'
import { HostError } from './errors.ts'
import type { Semaphore } from './semaphore.ts'

const reportTimeoutMilliseconds = 30_000

export interface ReportSlotOptions {
  readonly report: (observation: Observation) => Promise<void>
  /** Bounds the reports under way, over all slots. */
  readonly semaphore: Semaphore
  readonly onAccepted: () => void
  /** Called when the answer was that the incarnation must not run any more. */
  readonly onOver: () => void
}

/**
 * The way of one incarnation's observations to the control plane: the latest wins, what was accepted is not sent again, and what was
 * not is sent until it is. It holds one observation, so it cannot fill up.
 */
export class ReportSlot {
  readonly #options: ReportSlotOptions
  #latest: Observation | undefined
  #accepted: Observation | undefined
  #history = 0
  #attempt = 0
  #timer: NodeJS.Timeout | undefined
  #sending = false
  #closed = false

  constructor(options: ReportSlotOptions) {
    this.#options = options
  }

  /** The last observation offered, accepted or not. */
  get latest(): Observation | undefined {
    return this.#latest
  }

  /** Whether the control plane has accepted all there is to say. */
  get idle(): boolean {
    return isDeepStrictEqual(this.#latest, this.#accepted)
  }

  /** Says what is seen now. */
  offer(observation: Observation): void {
    if (isDeepStrictEqual(observation, this.#latest)) return
    this.#latest = observation
    this.#attempt = 0
    this.#send()
  }

  /** Forgets what was said: another history may not know it. What is offered next is sent, also when it is the same. */
  forget(): void {
    this.#latest = undefined
    this.#accepted = undefined
    this.#history += 1
    clearTimeout(this.#timer)
  }

  close(): void {
    this.#closed = true
    clearTimeout(this.#timer)
  }

  #send(): void {
    if (this.#sending || this.#closed || this.idle) return
    clearTimeout(this.#timer)
    this.#sending = true
    void this.#options.semaphore
      .run(() => this.#sendLatest())
      .finally(() => {
        this.#sending = false
        if (this.idle) this.#options.onAccepted()
        else if (this.#attempt === 0) this.#send()
        else this.#sendLater()
      })
  }

  async #sendLatest(): Promise<void> {
    const observation = this.#latest
    const history = this.#history
    if (observation === undefined || this.#closed) return
    try {
      await withTimeout(this.#options.report(observation))
      this.#accept(observation, history)
    } catch (error) {
      if (error instanceof HostError && error.code === 'hostd/incarnation_over') {
        this.#accept(observation, history)
        this.#options.onOver()
        return
      }
      // A newer observation, which has set the count to zero, does not wait for the old one's turn.
      if (observation === this.#latest) this.#attempt += 1
    }
  }

  #accept(observation: Observation, history: number): void {
    if (history === this.#history) this.#accepted = observation
    this.#attempt = 0
  }

  #sendLater(): void {
    if (this.#closed) return
    this.#timer = setTimeout(() => this.#send(), backoffMilliseconds(this.#attempt - 1))
  }
}

async function withTimeout(promise: Promise<void>): Promise<void> {
  let timer: NodeJS.Timeout | undefined
  const timeout = new Promise<never>((_, reject) => {
    timer = setTimeout(
      () => reject(new Error('The report was not answered in time.')),
      reportTimeoutMilliseconds,
    )
    timer.unref()
  })
  try {
    await Promise.race([promise, timeout])
  } finally {
    clearTimeout(timer)
  }
}
