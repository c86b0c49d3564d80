import { Rejection } from './rejection.ts'

const WAITERS_MAX = 10_000

interface Waiter {
  readonly revision: number
  readonly resolve: () => void
  readonly reject: (why: Rejection) => void
}

/** Who waits until a revision is applied. */
export class Waiters {
  readonly #waiters = new Set<Waiter>()
  #reached: number
  #closed: Rejection | undefined

  constructor(reached: number) {
    this.#reached = reached
  }

  /** Rejects with TIMEOUT after so many milliseconds, with OVERLOADED when too many wait, and with what `close` gives. */
  wait(revision: number, timeoutMilliseconds: number): Promise<void> {
    if (this.#reached >= revision) return Promise.resolve()
    if (this.#closed !== undefined) return Promise.reject(this.#closed)
    if (this.#waiters.size >= WAITERS_MAX)
      return Promise.reject(
        new Rejection('OVERLOADED', `${WAITERS_MAX} wait for a revision: try again later`),
      )
    return new Promise((resolve, reject) => {
      const finish = (end: () => void): void => {
        clearTimeout(timer)
        this.#waiters.delete(waiter)
        end()
      }
      const waiter: Waiter = {
        revision,
        resolve: () => finish(resolve),
        reject: (why) => finish(() => reject(why)),
      }
      const onTimeout = (): void => {
        const where = `this member is at ${this.#reached}`
        const text = `revision ${revision} was not applied in ${timeoutMilliseconds} ms; ${where}`
        waiter.reject(new Rejection('TIMEOUT', text))
      }
      const timer = setTimeout(onTimeout, timeoutMilliseconds)
      this.#waiters.add(waiter)
    })
  }

  /** Everything up to the revision is applied; a lower one than before is where a state that begins anew is. */
  reached(revision: number): void {
    this.#reached = revision
    for (const waiter of this.#waiters) if (waiter.revision <= revision) waiter.resolve()
  }

  /** Nothing more is applied. */
  close(why: Rejection): void {
    this.#closed = why
    for (const waiter of this.#waiters) waiter.reject(why)
  }
}
