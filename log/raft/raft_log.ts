import type { Write } from './effects.ts'
import { invariant } from './invariant.ts'
import type { Entry, HardState, LogView } from './types.ts'

interface WriteInFlight {
  readonly write: Write
  /** What its completion vouches for: lowered when its entries are replaced before it is done. */
  vouchesFor: number
}

/**
 * The log as the core sees it: the stored part (read through the LogView, up to `stableIndex` only) followed by the
 * unstable part in memory. Invariants: appliedIndex <= commitIndex <= lastIndex, and terms never fall.
 */
export class RaftLog {
  readonly #view: LogView
  /** Entries after `stableIndex`, handed to storage or not. */
  #unstable: Entry[] = []
  #stableIndex: number
  /** Entries up to here are stored or handed to storage. */
  #handedIndex: number
  /** The lowest index at which entries that storage knows of were replaced since the last write; 0 for none. */
  #truncateFrom = 0
  #writesInFlight: WriteInFlight[] = []
  #sequence = 0
  #commitIndex: number
  #appliedIndex: number
  /** All entries from `tailStart` to the last one are of `tailTerm`. Spares looking up terms near the end. */
  #tailTerm: number
  #tailStart: number

  constructor(view: LogView, appliedIndex: number) {
    this.#view = view
    this.#stableIndex = view.lastIndex()
    this.#handedIndex = this.#stableIndex
    this.#tailStart = this.#stableIndex
    this.#tailTerm = view.termAt(this.#stableIndex)
    invariant(
      Number.isSafeInteger(appliedIndex) && appliedIndex >= 0 && appliedIndex <= this.#stableIndex,
      `applied index ${appliedIndex} is outside the stored log of ${this.#stableIndex}`,
    )
    this.#commitIndex = appliedIndex
    this.#appliedIndex = appliedIndex
  }

  get lastIndex(): number {
    return this.#stableIndex + this.#unstable.length
  }

  get lastTerm(): number {
    return this.#tailTerm
  }

  /** Durable here, and not about to be replaced. */
  get stableIndex(): number {
    return this.#stableIndex
  }

  get commitIndex(): number {
    return this.#commitIndex
  }

  get appliedIndex(): number {
    return this.#appliedIndex
  }

  termAt(index: number): number {
    invariant(index >= 0 && index <= this.lastIndex, `no entry ${index} in a log of ${this.lastIndex}`)
    if (index >= this.#tailStart) return this.#tailTerm
    if (index <= this.#stableIndex) return this.#view.termAt(index)
    return this.#unstableAt(index).term
  }

  /** True when a log that ends so is at least as complete as this one (Raft §5.4.1). */
  isUpToDate(lastIndex: number, lastTerm: number): boolean {
    return lastTerm > this.lastTerm || (lastTerm === this.lastTerm && lastIndex >= this.lastIndex)
  }

  /** Entries from `from` on: at most `limitBytes` of payload, but one at least when there is one that can be read. */
  entriesFrom(from: number, limitBytes: number): readonly Entry[] {
    invariant(
      from >= 1 && from <= this.lastIndex + 1,
      `no entries from ${from} in a log of ${this.lastIndex}`,
    )
    const entries: Entry[] = []
    if (from <= this.#stableIndex) {
      entries.push(...this.#view.entries(from, this.#stableIndex, limitBytes))
      if (entries.length === 0) return entries
      invariant(entries[0]?.index === from, `storage did not return entry ${from}`)
    }
    let bytes = 0
    for (const entry of entries) bytes += entry.payload.byteLength
    let next = from + entries.length
    for (; next > this.#stableIndex && next <= this.lastIndex; next += 1) {
      const entry = this.#unstableAt(next)
      bytes += entry.payload.byteLength
      if (bytes > limitBytes && entries.length > 0) break
      entries.push(entry)
    }
    return entries
  }

  /**
   * The largest index up to `index` whose term is at most `term`. Both sides use it to skip what cannot match: a
   * probe costs a term, not an entry. Terms never fall along a log, so it is a binary search.
   */
  findConflictByTerm(index: number, term: number): number {
    let low = 0
    let high = Math.min(index, this.lastIndex)
    while (low < high) {
      const middle = Math.ceil((low + high) / 2)
      if (this.termAt(middle) <= term) low = middle
      else high = middle - 1
    }
    return low
  }

  append(entries: readonly Entry[]): void {
    for (const entry of entries) {
      invariant(entry.index === this.lastIndex + 1, `entry ${entry.index} does not follow ${this.lastIndex}`)
      invariant(entry.term >= this.#tailTerm, `entry ${entry.index} has a term below the one before it`)
      if (entry.term !== this.#tailTerm) {
        this.#tailTerm = entry.term
        this.#tailStart = entry.index
      }
      this.#unstable.push(entry)
    }
  }

  /** Removes the entries from `index` on: those of a deposed leader, which were never committed (Raft §5.3). */
  truncateFrom(index: number): void {
    invariant(
      index > this.#commitIndex,
      `truncating at ${index} would lose what is committed at ${this.#commitIndex}`,
    )
    invariant(index <= this.lastIndex, `nothing to truncate at ${index}`)
    const termBefore = this.termAt(index - 1)
    if (index <= this.#stableIndex) {
      this.#stableIndex = index - 1
      this.#unstable = []
    } else {
      this.#unstable.length = index - 1 - this.#stableIndex
    }
    if (index <= this.#handedIndex) {
      this.#handedIndex = index - 1
      this.#truncateFrom = this.#truncateFrom === 0 ? index : Math.min(this.#truncateFrom, index)
    }
    for (const inFlight of this.#writesInFlight) {
      inFlight.vouchesFor = Math.min(inFlight.vouchesFor, index - 1)
    }
    this.#tailTerm = termBefore
    this.#tailStart = Math.min(this.#tailStart, index - 1)
  }

  /** Never falls. */
  commitTo(index: number): void {
    invariant(index <= this.lastIndex, `cannot commit ${index}: the log ends at ${this.lastIndex}`)
    if (index > this.#commitIndex) this.#commitIndex = index
  }

  appliedTo(index: number): void {
    invariant(index >= this.#appliedIndex, `applied index fell from ${this.#appliedIndex} to ${index}`)
    const deliverable = Math.min(this.#commitIndex, this.#stableIndex)
    invariant(index <= deliverable, `applied ${index}, but only ${deliverable} was deliverable`)
    this.#appliedIndex = index
  }

  /** The next write, or null when nothing has to be stored. */
  takeWrite(term: number, hardState: HardState | null, becomesVoter: boolean): Write | null {
    if (hardState === null && !becomesVoter && this.#handedIndex === this.lastIndex) {
      invariant(this.#truncateFrom === 0, 'entries are only cut off to be replaced')
      return null
    }
    this.#sequence += 1
    const write: Write = {
      sequence: this.#sequence,
      term,
      lastIndex: this.lastIndex,
      hardState,
      truncateFrom: this.#truncateFrom,
      becomesVoter,
      entries: this.#unstable.slice(this.#handedIndex - this.#stableIndex),
    }
    this.#handedIndex = this.lastIndex
    this.#truncateFrom = 0
    this.#writesInFlight.push({ write, vouchesFor: write.lastIndex })
    return write
  }

  /** A write is durable. Only what has not been replaced since it was taken becomes stable. */
  persisted(write: Write): void {
    const inFlight = this.#writesInFlight.shift()
    invariant(inFlight !== undefined, `write ${write.sequence} was not under way`)
    invariant(
      inFlight.write.sequence === write.sequence && inFlight.write.term === write.term,
      `write ${write.sequence} of term ${write.term} completed out of order`,
    )
    const done = inFlight.vouchesFor - this.#stableIndex
    if (done <= 0) return
    this.#unstable = this.#unstable.slice(done)
    this.#stableIndex = inFlight.vouchesFor
  }

  #unstableAt(index: number): Entry {
    const entry = this.#unstable[index - this.#stableIndex - 1]
    invariant(entry?.index === index, `entry ${index} is not in memory`)
    return entry
  }
}
