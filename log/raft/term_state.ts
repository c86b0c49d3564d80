import { invariant } from './invariant.ts'
import type { HardState, MemberId } from './types.ts'

/** Term and vote: as they are, as the newest write taken has them, and as they are durable. */
export class TermState {
  #present: HardState
  #handed: HardState
  #durable: HardState

  constructor(durable: HardState) {
    this.#present = durable
    this.#handed = durable
    this.#durable = durable
  }

  get term(): number {
    return this.#present.term
  }

  get vote(): MemberId {
    return this.#present.vote
  }

  /** No crash takes back the present term. */
  get isTermDurable(): boolean {
    return this.#durable.term === this.#present.term
  }

  /** No crash takes back the present term, nor the vote in it. */
  get isDurable(): boolean {
    return this.isTermDurable && this.#durable.vote === this.#present.vote
  }

  /** A new term begins without a vote, unless for oneself. The same term changes nothing. */
  advance(term: number, vote: MemberId): void {
    invariant(term >= this.term, 'a term never falls')
    if (term > this.term) this.#present = { term, vote }
  }

  voteFor(member: MemberId): void {
    invariant(this.vote === 0 || this.vote === member, `a second vote in term ${this.term}`)
    this.#present = { term: this.term, vote: member }
  }

  /** What the next write has to hold, or null when nothing changed since the last. */
  takeChange(): HardState | null {
    if (this.#handed.term === this.term && this.#handed.vote === this.vote) return null
    this.#handed = this.#present
    return this.#present
  }

  persisted(hardState: HardState): void {
    invariant(hardState.term >= this.#durable.term, 'a durable term never falls')
    this.#durable = hardState
  }
}
