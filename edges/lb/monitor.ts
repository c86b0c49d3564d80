import type { Backend } from './backend.ts'
import type { MonitorRow } from './listener-row.ts'
import { probe, type Verdict } from './probe.ts'
import { WaitQueue } from './wait-queue.ts'

/** Bounds the checks under way at once over all listeners. */
export class ProbeSlots {
  readonly #slotsMax: number
  readonly #queue: WaitQueue
  #taken = 0

  /** The queue holds at most one check a member, so `membersMax` bounds it. */
  constructor(slotsMax: number, membersMax: number, waitMilliseconds: number) {
    this.#slotsMax = slotsMax
    this.#queue = new WaitQueue(membersMax, waitMilliseconds)
  }

  async run(check: () => Promise<Verdict>): Promise<Verdict> {
    if (!(await this.#take())) {
      return { outcome: 'BROKEN', detail: `the balancer is busy with ${this.#slotsMax} other checks` }
    }
    try {
      return await check()
    } finally {
      this.#taken -= 1
      this.#queue.wake()
    }
  }

  #take(): Promise<boolean> {
    return new Promise((resolve) => {
      const attempt = (): boolean => {
        if (this.#taken >= this.#slotsMax) return false
        this.#taken += 1
        resolve(true)
        return true
      }
      if (attempt()) return
      if (this.#queue.join(attempt, () => resolve(false)) === null) resolve(false)
    })
  }
}

/** Checks one member, at once and then at its interval, one check at a time, until it is stopped. */
export class Monitor {
  readonly row: MonitorRow
  readonly #backend: Backend
  readonly #slots: ProbeSlots
  readonly #receive: (verdict: Verdict) => void
  #timer: NodeJS.Timeout | null = null
  #stopped = false

  constructor(row: MonitorRow, backend: Backend, slots: ProbeSlots, receive: (verdict: Verdict) => void) {
    this.row = row
    this.#backend = backend
    this.#slots = slots
    this.#receive = receive
    void this.#check()
  }

  stop(): void {
    this.#stopped = true
    if (this.#timer !== null) clearTimeout(this.#timer)
  }

  async #check(): Promise<void> {
    const started = performance.now()
    const verdict = await this.#slots.run(() => probe(this.row, this.#backend))
    if (this.#stopped) return
    this.#receive(verdict)
    const elapsed = performance.now() - started
    this.#timer = setTimeout(() => void this.#check(), Math.max(0, this.row.intervalMilliseconds - elapsed))
  }
}
