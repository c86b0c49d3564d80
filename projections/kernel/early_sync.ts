import { closeSync, fdatasync, fsyncSync, openSync } from 'node:fs'

/** Has what is written to a file go to the disk while more is written, so that little is left to wait for at the end. */
export class EarlySync {
  readonly #file: number
  #isBusy = false
  #isEnded = false
  /** A sync that fails says so once: a later one may find nothing to do. */
  #failure: Error | undefined

  constructor(path: string) {
    this.#file = openSync(path, 'r+')
  }

  /** Begins a sync, unless one is under way. */
  begin(): void {
    if (this.#isBusy) return
    this.#isBusy = true
    fdatasync(this.#file, (error) => {
      this.#isBusy = false
      this.#failure ??= error ?? undefined
      if (this.#isEnded) closeSync(this.#file)
    })
  }

  /** All that was written is on the disk once this returns. Throws when that, or an earlier sync, fails. */
  end(): void {
    this.#isEnded = true
    try {
      fsyncSync(this.#file)
    } finally {
      if (!this.#isBusy) closeSync(this.#file)
    }
    if (this.#failure !== undefined) throw this.#failure
  }
}
