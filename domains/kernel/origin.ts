import { hash } from 'node:crypto'
import type { Entry } from '../../log/log.ts'

/** The last record of the log that rows are made of. Records hold times and random ids: no other log has the same at that index. */
export interface Origin {
  /** 0 before the first record. */
  readonly revision: number
  /** SHA-256 of the record's bytes in hexadecimal. */
  readonly digest: string
}

export const NO_ORIGIN: Origin = { revision: 0, digest: '' }

/** What rows are made of after a record was applied. */
export function originOf(revision: number, payload: Uint8Array): Origin {
  return { revision, digest: hash('sha256', payload) }
}

/** Rows are there that were made of another log than the one that is followed: they must be thrown away. */
export class OtherLogError extends Error {
  constructor(message: string) {
    super(message)
    this.name = 'OtherLogError'
  }
}

/**
 * Compares what rows are made of with the log that is followed from `from` on: whoever restores or copies directories may put rows
 * beside a shorter log, or beside another one.
 */
export class OriginCheck {
  readonly #origin: Origin
  readonly #applied: number
  #seen: number

  /** `applied` is the rows' revision. Throws OtherLogError when the log does not reach so far. */
  constructor(origin: Origin, applied: number, lastIndex: number) {
    if (lastIndex < applied)
      throw new OtherLogError(`the rows are of revision ${applied}, and the log ends at ${lastIndex}`)
    this.#origin = origin
    this.#applied = applied
    this.#seen = this.from - 1
  }

  /** The first index to follow: the record that the rows name. */
  get from(): number {
    return Math.max(1, this.#origin.revision)
  }

  /** Everything that the rows are made of was compared. */
  get done(): boolean {
    return this.#seen >= this.#applied
  }

  /** The entries that come after the rows. Throws OtherLogError when an earlier one is not what the rows are made of. */
  after(entries: readonly Entry[]): readonly Entry[] {
    if (this.done) return entries
    for (const entry of entries) {
      if (entry.index > this.#applied) break
      this.#compare(entry)
      this.#seen = entry.index
    }
    return entries.filter(({ index }) => index > this.#applied)
  }

  #compare({ index, kind, payload }: Entry): void {
    const { revision, digest } = this.#origin
    const same = index === revision ? hash('sha256', payload) === digest : kind === 'noop'
    if (!same)
      throw new OtherLogError(
        `the rows are of revision ${this.#applied} of another log: entry ${index} is not theirs`,
      )
  }
}
