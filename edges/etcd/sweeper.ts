import { setImmediate as nextTurn } from 'node:timers/promises'
import type { Member } from './member.ts'

/** When something keeps the leader from sweeping, or another one begins to lead, it is tried again so much later. */
const RETRY_MS = 200

/** Takes the rows of large deletions out while this member leads, an entry after the other. */
export class Sweeper {
  readonly #member: Member
  readonly #timer: NodeJS.Timeout
  readonly #unfollow: () => void
  #busy = false
  #closed = false

  constructor(member: Member) {
    this.#member = member
    this.#unfollow = member.platform.onApplied(() => this.#wake())
    this.#timer = setInterval(() => this.#wake(), RETRY_MS)
  }

  close(): void {
    this.#closed = true
    clearInterval(this.#timer)
    this.#unfollow()
  }

  get #due(): boolean {
    return !this.#closed && this.#member.swept.sweeping && this.#member.platform.leading
  }

  #wake(): void {
    if (!this.#busy && this.#due) void this.#sweep()
  }

  /** What fails is tried again later, here or by the next leader. */
  async #sweep(): Promise<void> {
    this.#busy = true
    try {
      while (this.#due) {
        await nextTurn()
        await this.#member.sweep()
      }
    } catch {
      return
    } finally {
      this.#busy = false
    }
  }
}
