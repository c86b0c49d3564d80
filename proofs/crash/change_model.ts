import { crc32 } from 'node:zlib'
import type { Entry, HardState } from '../../log/raft/types.ts'
import type { LogStore } from '../../log/storage/store.ts'
import type { Change } from '../../log/storage/write-queue.ts'
import type { Random } from '../sim/random.ts'

interface Kept {
  readonly term: number
  /** Of all entries up to this one. */
  readonly digest: number
}

/**
 * What a store must show, one state for each change that was queued, and where the next change comes from. The same seed and the
 * same beginning give the same changes, in whichever process.
 */
export class ChangeModel {
  readonly #random: Random
  readonly #payloadBytesMax: number
  #kept: Kept[] = []
  #hardState: HardState = { term: 0, vote: 0 }
  #isVoter = false
  #committed = 0
  /** What is shown after so many changes. */
  readonly states: string[] = []

  constructor(random: Random, payloadBytesMax: number) {
    this.#random = random
    this.#payloadBytesMax = payloadBytesMax
    this.states.push(this.#shown())
  }

  /** Begins with what an opened store shows. Entries that it holds count as committed up to what is sealed. */
  static of(store: LogStore, random: Random, payloadBytesMax: number): ChangeModel {
    const model = new ChangeModel(random, payloadBytesMax)
    model.#kept = digests(store)
    model.#hardState = store.hardState
    model.#isVoter = store.standing === 'voter'
    model.#committed = store.sealedIndex
    model.states[0] = model.#shown()
    return model
  }

  get lastIndex(): number {
    return this.#kept.length
  }

  /** Some entries are committed from now on, and are never replaced; the index of the last. */
  commit(upTo: number): number {
    this.#committed = Math.min(upTo, this.#random.between(this.#committed, this.lastIndex))
    return this.#committed
  }

  /** The next change: entries in most cases, and any of a new term or vote, a truncation and the voter's mark. */
  next(): Change {
    const random = this.#random
    const truncates = this.lastIndex > this.#committed && random.chance(0.12)
    const truncateFrom = truncates ? random.between(this.#committed + 1, this.lastIndex) : 0
    if (truncates) this.#kept.length = truncateFrom - 1
    const hardState =
      truncates || random.chance(0.2) || this.#hardState.term === 0 ? this.#nextHardState() : null
    const becomesVoter = random.chance(0.05)
    this.#isVoter ||= becomesVoter
    const isBare = hardState !== null && random.chance(0.4)
    const entries = isBare ? [] : Array.from({ length: random.between(1, 4) }, () => this.#nextEntry())
    this.states.push(this.#shown())
    return { hardState, becomesVoter, truncateFrom, entries }
  }

  #nextHardState(): HardState {
    const { term, vote } = this.#hardState
    const isSameTerm = vote === 0 && term > 0 && this.#random.chance(0.4)
    this.#hardState = isSameTerm
      ? { term, vote: this.#random.between(1, 3) }
      : { term: term + 1, vote: this.#random.between(0, 3) }
    return this.#hardState
  }

  #nextEntry(): Entry {
    const random = this.#random
    const bytes = random.chance(0.7) ? random.between(0, 200) : random.between(0, this.#payloadBytesMax)
    // Payloads of zeros look like sectors that were never written.
    const payload = Buffer.alloc(bytes, random.chance(0.3) ? 0 : random.between(1, 255))
    const entry: Entry = { index: this.lastIndex + 1, term: this.#hardState.term, kind: 'data', payload }
    this.#kept.push({ term: entry.term, digest: digestOf(entry, this.#kept.at(-1)?.digest ?? 0) })
    return entry
  }

  #shown(): string {
    return shownAs(this.#kept, this.#hardState, this.#isVoter)
  }
}

/** What a store shows, read entry by entry, in the words of the model. */
export function shownBy(store: LogStore): string {
  return shownAs(digests(store), store.hardState, store.standing === 'voter')
}

function shownAs(kept: readonly Kept[], { term, vote }: HardState, isVoter: boolean): string {
  const end = `${kept.length} entries ${kept.at(-1)?.digest ?? 0}`
  return `${end}, term ${term}, vote ${vote}${isVoter ? ', voter' : ''}`
}

function digests(store: LogStore): Kept[] {
  const kept: Kept[] = []
  for (let next = 1; next <= store.lastIndex(); ) {
    const entries = store.entries(next, store.lastIndex(), 1 << 20)
    for (const entry of entries)
      kept.push({ term: entry.term, digest: digestOf(entry, kept.at(-1)?.digest ?? 0) })
    next += entries.length
  }
  return kept
}

function digestOf({ index, term, payload }: Entry, before: number): number {
  return crc32(payload, crc32(`${index} ${term} ${payload.length}`, before))
}
