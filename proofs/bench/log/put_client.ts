import { RawClient } from '../../../edges/etcd/testing/client.ts'
import { put } from './keys.ts'

/** A call that takes longer is given up, and the connection with it. */
const CALL_TIMEOUT_MS = 1_000
const RETRY_MS = 2

/** Puts one after the other to one member, and notes when each was acknowledged. */
export class PutClient {
  readonly #address: string
  readonly #key: number
  readonly #acknowledged: number[] = []
  readonly #refusals = new Map<string, number>()
  readonly #running: Promise<void>
  #stopped = false

  constructor(address: string, key: number) {
    this.#address = address
    this.#key = key
    this.#running = this.#run()
  }

  /** When puts were acknowledged, by `performance.now()`. */
  get acknowledged(): readonly number[] {
    return this.#acknowledged
  }

  /** What puts were refused with, and how often. */
  get refusals(): ReadonlyMap<string, number> {
    return this.#refusals
  }

  /** The longest time without an acknowledgement that ended at or after `from`; Infinity when none came after it. */
  longestGap(from: number): number {
    const after = this.#acknowledged.findIndex((at) => at >= from)
    if (after === -1) return Number.POSITIVE_INFINITY
    let longest = 0
    for (let index = after; index < this.#acknowledged.length; index++)
      longest = Math.max(longest, (this.#acknowledged[index] ?? 0) - (this.#acknowledged[index - 1] ?? from))
    return longest
  }

  async close(): Promise<void> {
    this.#stopped = true
    await this.#running
  }

  async #run(): Promise<void> {
    while (!this.#stopped) {
      using client = new RawClient(this.#address)
      try {
        for (;;) {
          await within(put(client, this.#key))
          this.#acknowledged.push(performance.now())
          if (this.#stopped) return
        }
      } catch (error) {
        const text = error instanceof Error ? error.message : String(error)
        this.#refusals.set(text, (this.#refusals.get(text) ?? 0) + 1)
        await new Promise((resolve) => setTimeout(resolve, RETRY_MS))
      }
    }
  }
}

async function within(call: Promise<void>): Promise<void> {
  const late = Promise.withResolvers<never>()
  const timer = setTimeout(() => late.reject(new Error('no answer came')), CALL_TIMEOUT_MS)
  try {
    await Promise.race([call, late.promise])
  } finally {
    clearTimeout(timer)
  }
}
