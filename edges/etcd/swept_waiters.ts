import type { Platform } from '../../domains/kernel/platform.ts'
import { Rejection } from '../../domains/kernel/rejection.ts'
import type { Interval } from '../../domains/kv/interval.ts'
import state from '../../domains/kv/state.ts'
import { isSwept } from '../../domains/kv/sweep.ts'

/** As long as etcd gives a request that waits for those before it, and some more. */
const TIMEOUT_MS = 10_000

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

  /** Resolves once something was applied that leaves nothing of the keys to be swept. Rejects with TIMEOUT. */
  wait(keys: readonly Interval[]): Promise<void> {
    const { promise, resolve, reject } = Promise.withResolvers<void>()
    const timer = setTimeout(() => {
      this.#waiting.delete(waiting)
      reject(new Rejection('TIMEOUT', 'a large deletion takes too long'))
    }, TIMEOUT_MS).unref()
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
