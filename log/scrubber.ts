import type { SegmentDamaged } from './storage/errors.ts'
import { scrub } from './storage/scrub.ts'
import type { Segments } from './storage/segments.ts'

/** After the start, so that it does not take part in starting. */
const firstMilliseconds = 1000

/** Verifies all sealed segments again and again, in the background: opening does not, and disks rot. */
export class Scrubber {
  readonly #segments: Segments
  readonly #intervalMilliseconds: number
  readonly #found: (damage: SegmentDamaged) => void
  readonly #stopping = new AbortController()
  #timer: NodeJS.Timeout | undefined
  #running: Promise<void> | undefined

  constructor(segments: Segments, intervalMilliseconds: number, found: (damage: SegmentDamaged) => void) {
    this.#segments = segments
    this.#intervalMilliseconds = intervalMilliseconds
    this.#found = found
  }

  start(): void {
    this.#after(Math.min(firstMilliseconds, this.#intervalMilliseconds))
  }

  #after(milliseconds: number): void {
    this.#timer = setTimeout(() => {
      this.#running = this.#scrub()
    }, milliseconds)
  }

  async stop(): Promise<void> {
    this.#stopping.abort()
    clearTimeout(this.#timer)
    await this.#running
  }

  async #scrub(): Promise<void> {
    try {
      const { damage } = await scrub(this.#segments, this.#stopping.signal)
      for (const found of damage) this.#found(found)
    } catch (error) {
      if (!this.#stopping.signal.aborted) throw error
    }
    if (!this.#stopping.signal.aborted) this.#after(this.#intervalMilliseconds)
  }
}
