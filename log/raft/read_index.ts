import type { FinishedRead } from './effects.ts'
import type { MemberId } from './types.ts'

interface Round {
  readonly tag: number
  readonly index: number
  readonly confirmedBy: Set<MemberId>
}

/**
 * ReadIndex (Raft §6.4): a round notes the commit index, then a quorum confirms that this member still leads.
 * Reads that come before a round is sent share it; later ones need the next, since a confirmation must be newer than
 * the read. A tag is never used twice (etcd #20418), and confirming one confirms all before it.
 */
export class ReadRounds {
  readonly #id: MemberId
  readonly #quorum: number
  readonly #maxRounds: number
  #lastTag = 0
  #openTag = 0
  #rounds: Round[] = []
  #lastStartedTag = 0

  constructor(id: MemberId, quorum: number, maxRounds: number) {
    this.#id = id
    this.#quorum = quorum
    this.#maxRounds = maxRounds
  }

  /** Sent with every append: an answer to it confirms this round. */
  get lastStartedTag(): number {
    return this.#lastStartedTag
  }

  get canStart(): boolean {
    return this.#openTag !== 0 && this.#rounds.length < this.#maxRounds
  }

  /** The tag of the round that is not sent yet. */
  join(): number {
    if (this.#openTag === 0) {
      this.#lastTag += 1
      this.#openTag = this.#lastTag
    }
    return this.#openTag
  }

  /** Closes the open round at the commit index; its heartbeats must follow. */
  start(commitIndex: number): FinishedRead[] {
    this.#rounds.push({ tag: this.#openTag, index: commitIndex, confirmedBy: new Set() })
    this.#lastStartedTag = this.#openTag
    this.#openTag = 0
    return this.confirm(this.#id, this.#lastStartedTag)
  }

  /** `member` saw this leader in its term after round `tag` began. Returns the rounds that this finishes, in order. */
  confirm(member: MemberId, tag: number): FinishedRead[] {
    let finished = 0
    for (const [position, round] of this.#rounds.entries()) {
      if (round.tag > tag) break
      round.confirmedBy.add(member)
      if (round.confirmedBy.size >= this.#quorum) finished = position + 1
    }
    if (finished === 0) return []
    return this.#rounds.splice(0, finished).map(({ tag, index }) => ({ tag, index }))
  }

  /** Leadership is lost: no round under way or waiting will finish. */
  failAll(): number[] {
    const failed = this.#rounds.map((round) => round.tag)
    if (this.#openTag !== 0) failed.push(this.#openTag)
    this.#rounds = []
    this.#openTag = 0
    return failed
  }
}
