import type { MemberId, Message } from '../../log/raft/types.ts'
import type { Random } from './random.ts'
import type { Schedule } from './schedule.ts'
import type { Trace } from './trace.ts'

export interface NetworkFaults {
  /** 0 to 0.3. */
  lossProbability: number
  /** 0 to 0.5. */
  duplicateProbability: number
  /** In units of time; a message takes from 1 to this, so messages overtake one another. */
  delayMax: number
}

/** Links between members: lossy, duplicating, reordering, cut in one direction or both, or clogged. */
export class SimulatedNetwork {
  readonly #schedule: Schedule
  readonly #random: Random
  readonly #trace: Trace
  readonly #deliver: (message: Message) => void
  readonly #cut = new Set<number>()
  readonly #clogged = new Map<number, Message[]>()
  faults: NetworkFaults = { lossProbability: 0, duplicateProbability: 0, delayMax: 5 }

  constructor(schedule: Schedule, random: Random, trace: Trace, deliver: (message: Message) => void) {
    this.#schedule = schedule
    this.#random = random
    this.#trace = trace
    this.#deliver = deliver
  }

  send(message: Message): void {
    if (this.#random.chance(this.faults.lossProbability)) {
      this.#trace.message(this.#schedule.now, 'lost', message)
      return
    }
    this.#transmit(message)
    if (this.#random.chance(this.faults.duplicateProbability)) this.#transmit(message)
  }

  /** One direction only. */
  cut(from: MemberId, to: MemberId): void {
    this.#cut.add(link(from, to))
  }

  /** Holds what is sent on the link until it is unclogged; then it all arrives. */
  clog(from: MemberId, to: MemberId): void {
    if (!this.#clogged.has(link(from, to))) this.#clogged.set(link(from, to), [])
  }

  heal(): void {
    this.#cut.clear()
    const held = [...this.#clogged.values()].flat()
    this.#clogged.clear()
    for (const message of held) this.#transmit(message)
  }

  #transmit(message: Message): void {
    const delay = this.#random.between(1, this.faults.delayMax)
    this.#schedule.after(delay, () => {
      const place = link(message.from, message.to)
      if (this.#cut.has(place)) {
        this.#trace.message(this.#schedule.now, 'cut', message)
        return
      }
      const held = this.#clogged.get(place)
      if (held === undefined) this.#deliver(message)
      else if (held.length < 500) held.push(message)
    })
  }
}

function link(from: MemberId, to: MemberId): number {
  return from * 16 + to
}
