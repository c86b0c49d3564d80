import type { MemberId, Message } from '../../log/raft/types.ts'
import type { CountFault } from './fault_counts.ts'
import type { Random } from './random.ts'
import type { Schedule } from './schedule.ts'
import type { Trace } from './trace.ts'

export interface NetworkFaults {
  /** 0 to 0.3. */
  readonly lossProbability: number
  /** 0 to 0.5. */
  readonly duplicateProbability: number
  /** In units of time; a message takes from 1 to this, so messages overtake one another. */
  readonly delayMax: number
}

export const calmNetwork: NetworkFaults = { lossProbability: 0, duplicateProbability: 0, delayMax: 5 }

const clogMax = 500
const linksMax = 128

/** Links between members: lossy, duplicating, reordering, cut in one direction or both, or clogged. */
export class SimulatedNetwork {
  readonly #schedule: Schedule
  readonly #random: Random
  readonly #trace: Trace
  readonly #count: CountFault
  readonly #deliver: (message: Message) => void
  readonly #cut = new Set<number>()
  readonly #clogged = new Map<number, Message[]>()
  /** When the last of what was sent on a link arrives. */
  readonly #lastArrivals: number[] = Array.from({ length: linksMax }, () => 0)
  faults: NetworkFaults = calmNetwork

  constructor(
    schedule: Schedule,
    random: Random,
    trace: Trace,
    count: CountFault,
    deliver: (message: Message) => void,
  ) {
    this.#schedule = schedule
    this.#random = random
    this.#trace = trace
    this.#count = count
    this.#deliver = deliver
  }

  send(message: Message): void {
    if (this.#random.chance(this.faults.lossProbability)) {
      this.#count('lost message')
      this.#trace.message(this.#schedule.now, 'lost', message)
      return
    }
    this.#transmit(message, this.faults.delayMax)
    // A copy may come long after: terms later, so that nothing may rely on the order or the age of messages.
    if (!this.#random.chance(this.faults.duplicateProbability)) return
    this.#count('duplicated message')
    this.#transmit(message, this.faults.delayMax * this.#random.pick([1, 5, 100]))
  }

  /** One direction only. */
  cut(from: MemberId, to: MemberId): void {
    this.#cut.add(link(from, to))
  }

  /** Holds what is sent on the link until it is unclogged; then it all arrives. */
  clog(from: MemberId, to: MemberId): void {
    if (!this.#clogged.has(link(from, to))) this.#clogged.set(link(from, to), [])
  }

  unclog(from: MemberId, to: MemberId): void {
    const held = this.#clogged.get(link(from, to)) ?? []
    this.#clogged.delete(link(from, to))
    for (const message of held) this.#transmit(message, this.faults.delayMax)
  }

  /** Both directions. */
  restore(left: MemberId, right: MemberId): void {
    this.#cut.delete(link(left, right))
    this.#cut.delete(link(right, left))
  }

  /** Mends the links that are cut. */
  heal(): void {
    this.#cut.clear()
  }

  #transmit(message: Message, delayMax: number): void {
    const delay = this.#random.between(1, delayMax)
    const place = link(message.from, message.to)
    const arrival = this.#schedule.now + delay
    if (arrival < (this.#lastArrivals[place] ?? 0)) this.#count('reordered message')
    else this.#lastArrivals[place] = arrival
    this.#schedule.after(delay, () => this.#arrive(message, place))
  }

  #arrive(message: Message, place: number): void {
    if (this.#cut.has(place)) {
      this.#count('message on a cut link')
      this.#trace.message(this.#schedule.now, 'cut', message)
      return
    }
    const held = this.#clogged.get(place)
    if (held === undefined) {
      this.#deliver(message)
      return
    }
    this.#count('message on a clogged link')
    if (held.length < clogMax) held.push(message)
  }
}

function link(from: MemberId, to: MemberId): number {
  return from * 16 + to
}
