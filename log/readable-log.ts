import type { Entry, LogView } from './raft/types.ts'
import type { SegmentRepair } from './segment-repair.ts'
import { SegmentDamaged } from './storage/errors.ts'
import type { LogStore } from './storage/store.ts'

const repairMilliseconds = 5_000

/**
 * The stored log, for those who can wait for a segment that is being repaired. A member with nobody to repair from throws
 * SegmentDamaged in place of that.
 */
export class ReadableLog implements LogView {
  readonly #store: LogStore
  readonly #repair: SegmentRepair

  constructor(store: LogStore, repair: SegmentRepair) {
    this.#store = store
    this.#repair = repair
  }

  lastIndex(): number {
    return this.#store.lastIndex()
  }

  /** Of an entry in a damaged segment it is known when the segment is of one term. Throws SegmentDamaged otherwise. */
  termAt(index: number): number {
    try {
      return this.#store.termAt(index)
    } catch (error) {
      if (!(error instanceof SegmentDamaged) || !this.#repair.possible) throw error
      this.#repair.found(error)
      const term = this.#store.segments.termAround(error.firstIndex)
      if (term === undefined) throw error
      return term
    }
  }

  /** As LogView: empty while the first of them cannot be read. */
  entries(from: number, to: number, limitBytes: number): readonly Entry[] {
    const { possible } = this.#repair
    if (possible && this.#repair.damageAt(from) !== undefined) return []
    try {
      return this.#store.entries(from, to, limitBytes)
    } catch (error) {
      if (!(error instanceof SegmentDamaged) || !possible) throw error
      this.#repair.found(error)
      return error.firstIndex > from ? this.#store.entries(from, error.firstIndex - 1, limitBytes) : []
    }
  }

  /** Waits for a repair. Rejects with SegmentDamaged when there is none in time. */
  async whenRead(from: number, to: number, limitBytes: number): Promise<readonly Entry[]> {
    for (;;) {
      const entries = this.entries(from, to, limitBytes)
      const damage = this.#repair.damageAt(from)
      if (entries.length > 0 || damage === undefined) return entries
      if (!(await this.#repair.whenSound(from, repairMilliseconds))) throw damage
    }
  }
}
