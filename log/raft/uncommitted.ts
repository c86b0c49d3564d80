import type { RaftLimits } from './config.ts'
import { invariant } from './invariant.ts'

/** Backpressure of a leader: what it has taken in its term and not yet committed. */
export class Uncommitted {
  readonly #limits: RaftLimits
  #sizes: number[] = []
  #bytes = 0
  #committedIndex: number

  /** `lastIndex` is the end of the log before the leader's first own entry. */
  constructor(lastIndex: number, limits: RaftLimits) {
    this.#committedIndex = lastIndex
    this.#limits = limits
  }

  /** A single proposal above the bound of bytes is taken when nothing else is under way. */
  hasRoom(count: number, bytes: number): boolean {
    if (this.#sizes.length + count > this.#limits.maxUncommittedEntries) return false
    return this.#bytes === 0 || this.#bytes + bytes <= this.#limits.maxUncommittedBytes
  }

  add(bytes: number): void {
    this.#sizes.push(bytes)
    this.#bytes += bytes
  }

  committedTo(index: number): void {
    const count = index - this.#committedIndex
    if (count <= 0) return
    invariant(count <= this.#sizes.length, `committed ${index}, past the end of what was taken`)
    for (let position = 0; position < count; position += 1) this.#bytes -= this.#sizes[position] ?? 0
    this.#sizes = this.#sizes.slice(count)
    this.#committedIndex = index
    invariant(this.#bytes >= 0, 'uncommitted bytes fell below zero')
  }
}
