import type { Platform } from '../../domains/kernel/platform.ts'
import { Rejection } from '../../domains/kernel/rejection.ts'
import type { Interval } from '../../domains/kv/interval.ts'
import state from '../../domains/kv/state.ts'
import { isSwept } from '../../domains/kv/sweep.ts'
import { turns } from './turns.ts'

/** Less than a call is waited for that another member has passed on. */
const TIMEOUT_MS = 6_000

interface Waiting {
  readonly keys: readonly Interval[]
  readonly go: () => void
}

/** Those who wait for large deletions. */
export class SweptWaiters {
  readonly #view
  readonly #waiting = new Set<Waiting>()

  constructor(platform: Platform) {
    this.#view = platform.engine.state.view(state)
    platform.onApplied(() => this.#applied())
  }

  /** Whether any is under way. */
  get sweeping(): boolean {
    return this.#view.sweep.size > 0
  }

  isSwept(keys: readonly Interval[]): boolean {
    return isSwept(this.#view, keys)
  }

  /** Resolves, one waiter a turn of the event loop, once nothing of the keys is to be swept. Rejects with TIMEOUT. */
  async wait(keys: readonly Interval[]): Promise<void> {
    const deadline = performance.now() + TIMEOUT_MS
    while (this.isSwept(keys)) {
      await this.#applies(keys, deadline - performance.now())
      await turns.next()
    }
  }

  #applies(keys: readonly Interval[], milliseconds: number): Promise<void> {
    const { promise, resolve, reject } = Promise.withResolvers<void>()
    const timer = setTimeout(() => {
      this.#waiting.delete(waiting)
      reject(new Rejection('TIMEOUT', 'a large deletion takes too long'))
    }, milliseconds).unref()
    const go = (): void => {
      clearTimeout(timer)
      resolve()
    }
    const waiting = { keys, go }
    this.#waiting.add(waiting)
    return promise
  }

  #applied(): void {
    for (const waiting of this.#waiting) {
      if (this.isSwept(waiting.keys)) continue
      this.#waiting.delete(waiting)
      waiting.go()
    }
  }
}
