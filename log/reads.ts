import { LogError } from './log.ts'

interface Waiting {
  readonly resolve: (index: number) => void
  readonly reject: (error: LogError) => void
  readonly deadline: number
  retryAt: number
}

const waitingMax = 10_000

/**
 * Linearizable reads that wait for their ReadIndex round. A read whose round does not finish in time joins a new one
 * with a new tag: a repeated tag could be confirmed by an answer from before (etcd #20418).
 */
export class Reads {
  readonly #timeoutMilliseconds: number
  readonly #retryMilliseconds: number
  readonly #begin: () => number | 'not_leader'
  readonly #waiting = new Set<Waiting>()
  readonly #rounds = new Map<number, Waiting[]>()

  constructor(timeoutMilliseconds: number, retryMilliseconds: number, begin: () => number | 'not_leader') {
    this.#timeoutMilliseconds = timeoutMilliseconds
    this.#retryMilliseconds = retryMilliseconds
    this.#begin = begin
  }

  /** Throws NOT_LEADER or OVERLOADED; the promise rejects with NOT_LEADER or TIMEOUT. */
  add(now: number): Promise<number> {
    if (this.#waiting.size >= waitingMax) throw new LogError('OVERLOADED', `${waitingMax} reads are waiting`)
    const { promise, resolve, reject } = Promise.withResolvers<number>()
    const waiting = {
      resolve,
      reject,
      deadline: now + this.#timeoutMilliseconds,
      retryAt: now + this.#retryMilliseconds,
    }
    if (!this.#join(waiting)) throw new LogError('NOT_LEADER', 'this member does not lead')
    this.#waiting.add(waiting)
    return promise
  }

  finished(tag: number, index: number): void {
    for (const waiting of this.#take(tag)) waiting.resolve(index)
  }

  failed(tag: number): void {
    for (const waiting of this.#take(tag)) {
      waiting.reject(new LogError('NOT_LEADER', 'leadership was lost before the read was confirmed'))
    }
  }

  /** To be called regularly: retries and times out. */
  expire(now: number): void {
    for (const waiting of this.#waiting) {
      if (now >= waiting.deadline) {
        this.#waiting.delete(waiting)
        waiting.reject(new LogError('TIMEOUT', 'no quorum confirmed the read in time'))
      } else if (now >= waiting.retryAt) {
        waiting.retryAt = now + this.#retryMilliseconds
        this.#join(waiting)
      }
    }
    if (this.#waiting.size === 0) this.#rounds.clear()
  }

  rejectAll(error: LogError): void {
    for (const { reject } of this.#waiting) reject(error)
    this.#waiting.clear()
    this.#rounds.clear()
  }

  #join(waiting: Waiting): boolean {
    const tag = this.#begin()
    if (tag === 'not_leader') return false
    const round = this.#rounds.get(tag)
    if (round === undefined) this.#rounds.set(tag, [waiting])
    else round.push(waiting)
    return true
  }

  /** Those of the round that still wait. */
  #take(tag: number): Waiting[] {
    const round = this.#rounds.get(tag) ?? []
    this.#rounds.delete(tag)
    return round.filter((waiting) => this.#waiting.delete(waiting))
  }
}
