import type { MemberId } from './types.ts'

/** Handing leadership over (Raft §3.10 of the dissertation): catch the target up, then tell it to campaign at once. */
export class Transfer {
  readonly #electionTicks: number
  #target: MemberId = 0
  #elapsed = 0
  #isSent = false

  constructor(electionTicks: number) {
    this.#electionTicks = electionTicks
  }

  /** 0 when no transfer is under way. While one is, no proposals are taken, so that the target can catch up. */
  get target(): MemberId {
    return this.#target
  }

  begin(target: MemberId): void {
    if (this.#target === target) return
    this.#target = target
    this.#elapsed = 0
    this.#isSent = false
  }

  /** Given up after an election timeout, so that a target that died does not block proposals. */
  tick(): void {
    if (this.#target === 0) return
    this.#elapsed += 1
    if (this.#elapsed >= this.#electionTicks) this.#target = 0
  }

  isReady(peer: MemberId, isCaughtUp: boolean): boolean {
    return peer === this.#target && isCaughtUp && !this.#isSent
  }

  sent(): void {
    this.#isSent = true
  }
}
