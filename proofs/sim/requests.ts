import type { Entry } from '../../log/raft/types.ts'
import { Violation } from './invariant.ts'
import type { World } from './world.ts'

interface Proposal {
  readonly id: number
  readonly term: number
}

/** What clients wait for at one process. */
export class Requests {
  readonly #world: World
  /** By index, in order. */
  readonly #proposals = new Map<number, Proposal>()
  /** What was known to be committed when the reads of a round began. */
  readonly #reads = new Map<number, number>()

  constructor(world: World) {
    this.#world = world
  }

  proposed(id: number, index: number, term: number, isAccepted: boolean): void {
    if (isAccepted) this.#proposals.set(index, { id, term })
    this.#world.settleProposal(id, index, isAccepted ? 'accepted' : 'refused')
  }

  readBegan(tag: number, committedAtStart: number): void {
    this.#reads.set(tag, Math.max(this.#reads.get(tag) ?? 0, committedAtStart))
  }

  /** The term at the index tells whether it is the entry proposed; the oracle looks at the payload. */
  committed(commit: number, log: readonly Entry[]): void {
    for (const [index, { id, term }] of this.#proposals) {
      if (index > commit) break
      this.#proposals.delete(index)
      if (log[index - 1]?.term === term) this.#world.settleProposal(id, index, 'acknowledged')
    }
  }

  /** What was known to be committed when the reads of the round began. */
  readFinished(tag: number): number {
    const committedAtStart = this.#reads.get(tag)
    if (committedAtStart === undefined) {
      throw new Violation('linearizable read', `round ${tag} finished twice`)
    }
    this.#reads.delete(tag)
    return committedAtStart
  }

  readFailed(tag: number): void {
    this.#reads.delete(tag)
  }

  /** The outcome of what was proposed is unknown from now on. */
  leadershipLost(): void {
    this.#proposals.clear()
  }

  clear(): void {
    this.#proposals.clear()
    this.#reads.clear()
  }
}
