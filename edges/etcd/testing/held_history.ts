import type { TestNode } from './nodes.ts'

/** Holds up what a node reads from the history of keys, one read after the other. */
export class HeldHistory {
  readonly #held: PromiseWithResolvers<void>[] = []
  #isOpen = false
  /** How many reads were answered. */
  answered = 0

  constructor({ runner }: TestNode) {
    const call = runner.call.bind(runner)
    runner.call = async (...args) => {
      if (args[0] === 'events' && !this.#isOpen) {
        const gate = Promise.withResolvers<void>()
        this.#held.push(gate)
        await gate.promise
      }
      const answer = await call(...args)
      if (args[0] === 'events') this.answered += 1
      return answer
    }
  }

  /** How many reads are held up. */
  get size(): number {
    return this.#held.length
  }

  /** Lets the oldest go on; with an error it fails. */
  next(error?: Error): void {
    const gate = this.#held.shift()
    if (error === undefined) gate?.resolve()
    else gate?.reject(error)
  }

  /** Lets all go on, also those to come. */
  open(): void {
    this.#isOpen = true
    while (this.#held.length > 0) this.next()
  }
}
