import { invariant } from './invariant.ts'
import type { MemberId } from './types.ts'

/** Counts ticks since the last sign of a leader, or since the last campaign. */
export class ElectionTimer {
  readonly #electionTicks: number
  readonly #random: () => number
  #elapsed = 0
  #timeout: number

  constructor(electionTicks: number, random: () => number) {
    this.#electionTicks = electionTicks
    this.#random = random
    this.#timeout = this.#between(electionTicks, 2 * electionTicks)
  }

  /** The shortest election timeout has not passed: a leader that was heard then is still to be trusted. */
  get withinLease(): boolean {
    return this.#elapsed < this.#electionTicks
  }

  get expired(): boolean {
    return this.#elapsed >= this.#timeout
  }

  tick(): void {
    this.#elapsed += 1
  }

  /** A leader was heard, or a vote given. The randomized range T to 2T is that of Raft §9.3. */
  reset(): void {
    this.#elapsed = 0
    this.#timeout = this.#between(this.#electionTicks, 2 * this.#electionTicks)
  }

  /**
   * After a campaign: T/2 to T. No leader was heard for T by then, so trying again sooner disturbs nobody (PreVote
   * sees to that), and two members left of three elect within two full timeouts even after a split vote.
   */
  resetForRetry(): void {
    this.#elapsed = 0
    this.#timeout = this.#between(Math.ceil(this.#electionTicks / 2), this.#electionTicks)
  }

  #between(low: number, high: number): number {
    const random = this.#random()
    invariant(random >= 0 && random < 1, 'random must return a number in [0, 1)')
    return low + Math.floor(random * (high - low))
  }
}

/** The votes of one campaign. */
export class Tally {
  readonly #members: number
  readonly #granted = new Set<MemberId>()
  readonly #refused = new Set<MemberId>()

  constructor(members: number) {
    this.#members = members
  }

  /** A vote once given stands; a refusal, which may answer an earlier question, gives way to it. */
  record(member: MemberId, granted: boolean): void {
    if (granted) {
      this.#granted.add(member)
      this.#refused.delete(member)
    } else if (!this.#granted.has(member)) {
      this.#refused.add(member)
    }
  }

  get result(): 'won' | 'lost' | 'open' {
    const quorum = quorumOf(this.#members)
    if (this.#granted.size >= quorum) return 'won'
    return this.#members - this.#refused.size < quorum ? 'lost' : 'open'
  }
}

/** The smallest majority. */
export function quorumOf(members: number): number {
  return Math.floor(members / 2) + 1
}
