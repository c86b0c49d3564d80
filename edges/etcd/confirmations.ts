import type { Platform } from '../../domains/kernel/platform.ts'

interface Reader {
  readonly confirmed: () => void
  readonly failed: (error: unknown) => void
}

/** Reads that wait until what they saw may be told: those of one turn share one round of ReadIndex, and one promise. */
export class Confirmations {
  readonly #platform: Platform
  #readers: Reader[] = []

  constructor(platform: Platform) {
    this.#platform = platform
  }

  /** To be called right after the read. What is told must not throw. */
  join(reader: Reader): void {
    this.#readers.push(reader)
    if (this.#readers.length === 1) queueMicrotask(() => this.#confirm())
  }

  #confirm(): void {
    const readers = this.#readers
    this.#readers = []
    this.#platform.confirmed().then(
      () => {
        for (const { confirmed } of readers) confirmed()
      },
      (error: unknown) => {
        for (const { failed } of readers) failed(error)
      },
    )
  }
}
