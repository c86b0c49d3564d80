import type { Mark, MarkFile } from './mark.ts'

/** How far the mark may lag behind what is acknowledged, when the disk and the event loop keep up. */
const lagMilliseconds = 5

/** Runs `action` after a while, unless the returned function is called before. */
export type Later = (action: () => void, milliseconds: number) => () => void

export const realLater: Later = (action, milliseconds) => {
  const timer = setTimeout(action, milliseconds)
  return () => clearTimeout(timer)
}

/** Writes the mark behind the acknowledgements, never before one: a few hundred times a second at most. */
export class MarkKeeper {
  readonly #file: MarkFile
  readonly #later: Later
  readonly #failed: (error: unknown) => void
  #wanted: Mark | undefined
  #cancel: (() => void) | undefined
  #writing: Promise<void> | undefined

  constructor(file: MarkFile, later: Later, failed: (error: unknown) => void) {
    this.#file = file
    this.#later = later
    this.#failed = failed
  }

  /** This group is durable, and may be acknowledged. */
  note(mark: Mark): void {
    this.#wanted = mark
    if (this.#cancel === undefined && this.#writing === undefined) this.#schedule()
  }

  /** Resolves once the mark says what was noted last. */
  async settled(): Promise<void> {
    while (this.#wanted !== undefined || this.#writing !== undefined) {
      this.hurry()
      await this.#writing
    }
  }

  /** What was noted is written now, and not after a while. */
  hurry(): void {
    this.#cancel?.()
    this.#start()
  }

  async close(): Promise<void> {
    await this.settled()
    await this.#file.close()
  }

  #schedule(): void {
    this.#cancel = this.#later(() => this.#start(), lagMilliseconds)
  }

  #start(): void {
    this.#cancel = undefined
    const mark = this.#wanted
    if (mark === undefined || this.#writing !== undefined) return
    this.#wanted = undefined
    this.#writing = this.#file
      .write(mark)
      .catch((error: unknown) => {
        this.#wanted = undefined
        this.#failed(error)
      })
      .finally(() => {
        this.#writing = undefined
        if (this.#wanted !== undefined && this.#cancel === undefined) this.#schedule()
      })
  }
}
