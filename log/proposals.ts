import { LogError } from './log.ts'
import type { MemberId } from './raft/types.ts'

interface Waiting {
  readonly term: number
  readonly lastIndex: number
  readonly resolve: () => void
  readonly reject: (error: LogError) => void
}

/** One entry, and all entries of one proposal. */
const payloadBytesMax = 10 * 1024 * 1024
const proposalBytesMax = 16 * 1024 * 1024

/** Throws TOO_LARGE, and RangeError for no payload at all. */
export function checkSize(payloads: readonly Uint8Array[]): void {
  if (payloads.length === 0) throw new RangeError('a proposal has one payload at least')
  let total = 0
  for (const { length } of payloads) {
    total += length
    if (length > payloadBytesMax) {
      throw new LogError('TOO_LARGE', `a payload of ${length} bytes; at most ${payloadBytesMax} are taken`)
    }
  }
  if (total > proposalBytesMax) {
    throw new LogError('TOO_LARGE', `${total} bytes in one proposal; at most ${proposalBytesMax} are taken`)
  }
}

/** Proposals that were taken and are not committed yet, in the order of their indexes. */
export class Proposals {
  #waiting: Waiting[] = []
  readonly #drained: (() => void)[] = []

  /** Resolves when entries up to `lastIndex` are committed in `term`. */
  add(term: number, lastIndex: number): Promise<void> {
    const { promise, resolve, reject } = Promise.withResolvers<void>()
    this.#waiting.push({ term, lastIndex, resolve, reject })
    return promise
  }

  committed(index: number): void {
    let done = 0
    for (const { lastIndex, resolve } of this.#waiting) {
      if (lastIndex > index) break
      resolve()
      done += 1
    }
    this.#remove(done)
  }

  /** Rejects what was proposed under any other leadership: it may or may not commit. */
  leadershipIs(term: number, leads: boolean, leader: MemberId): void {
    const lost = this.#waiting.findIndex((waiting) => leads && waiting.term === term)
    const count = lost === -1 ? this.#waiting.length : lost
    for (const waiting of this.#waiting.slice(0, count)) {
      const text = `leadership of term ${waiting.term} was lost; member ${leader} leads term ${term}`
      waiting.reject(new LogError('OUTCOME_UNKNOWN', text))
    }
    this.#remove(count)
  }

  rejectAll(reason: string): void {
    for (const { reject } of this.#waiting) reject(new LogError('OUTCOME_UNKNOWN', reason))
    this.#remove(this.#waiting.length)
  }

  /** Resolves once nothing is waiting. */
  async drained(): Promise<void> {
    if (this.#waiting.length > 0) await new Promise<void>((resolve) => this.#drained.push(resolve))
  }

  #remove(count: number): void {
    if (count > 0) this.#waiting.splice(0, count)
    if (this.#waiting.length === 0) for (const resolve of this.#drained.splice(0)) resolve()
  }
}
