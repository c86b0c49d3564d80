import type { Write } from '../../log/raft/effects.ts'
import type { Entry, HardState, LogView, Standing } from '../../log/raft/types.ts'
import { Violation } from './invariant.ts'
import type { Random } from './random.ts'
import type { Schedule } from './schedule.ts'

interface Queued {
  readonly write: Write
  readonly done: () => void
}

/**
 * One member's disk, as classic-level with one synced batch behaves: what is queued while a sync runs goes into the
 * next batch together, a batch is durable whole or not at all, batches in order. A crash loses what was not synced; of a
 * batch whose sync was running, chance decides. What is durable survives every crash.
 */
export class SimulatedDisk {
  readonly #schedule: Schedule
  readonly #random: Random
  #log: Entry[] = []
  #hardState: HardState = { term: 0, vote: 0 }
  #standing: Standing = 'voter'
  readonly #lost: (readonly Entry[])[] = []
  #queue: Queued[] = []
  #syncing: Queued[] = []
  #powerCycle = 0
  #lastReport = 0
  /** The longest a sync takes, in units of time. */
  slowness = 6
  /** Told of every write that became durable, before its own `done`. */
  onDurable: (write: Write, removed: readonly Entry[]) => void = () => {}

  constructor(schedule: Schedule, random: Random) {
    this.#schedule = schedule
    this.#random = random
  }

  get hardState(): HardState {
    return this.#hardState
  }

  get standing(): Standing {
    return this.#standing
  }

  /** What it held each time it was wiped. */
  get lost(): readonly (readonly Entry[])[] {
    return this.#lost
  }

  get log(): readonly Entry[] {
    return this.#log
  }

  get view(): LogView {
    return {
      lastIndex: () => this.#log.length,
      termAt: (index) => {
        if (index === 0) return 0
        const entry = this.#log[index - 1]
        if (entry === undefined) throw new RangeError(`no stored entry ${index}`)
        return entry.term
      },
      entries: (from, to, limitBytes) => {
        const entries: Entry[] = []
        let bytes = 0
        for (const entry of this.#log.slice(from - 1, to)) {
          bytes += entry.payload.byteLength
          if (bytes > limitBytes && entries.length > 0) break
          entries.push(entry)
        }
        return entries
      },
    }
  }

  /** `done` is called some time after the write is durable, in order, unless a crash comes between. */
  write(write: Write, done: () => void): void {
    this.#queue.push({ write, done })
    if (this.#syncing.length === 0) this.#sync()
  }

  /** While the process is down: a blank disk takes the place of this one. */
  wipe(standing: Standing): void {
    this.#lost.push(this.#log)
    this.#log = []
    this.#hardState = { term: 0, vote: 0 }
    this.#standing = standing
  }

  crash(): void {
    this.#powerCycle += 1
    if (this.#random.chance(0.5)) this.#applyBatch()
    this.#syncing = []
    this.#queue = []
  }

  #sync(): void {
    if (this.#queue.length === 0) return
    this.#syncing = this.#queue
    this.#queue = []
    const powerCycle = this.#powerCycle
    this.#schedule.after(this.#random.between(1, this.slowness), () => {
      if (powerCycle !== this.#powerCycle) return
      const batch = this.#syncing
      this.#applyBatch()
      this.#syncing = []
      // The report comes later than the fact, but reports never overtake one another.
      this.#lastReport = Math.max(this.#lastReport, this.#schedule.now + this.#random.between(0, 2))
      this.#schedule.after(this.#lastReport - this.#schedule.now, () => {
        if (powerCycle !== this.#powerCycle) return
        for (const { done } of batch) done()
      })
      this.#sync()
    })
  }

  #applyBatch(): void {
    for (const { write } of this.#syncing) {
      const removed = write.truncateFrom === 0 ? [] : this.#log.splice(write.truncateFrom - 1)
      this.#log.push(...write.entries)
      if (write.hardState !== null) this.#hardState = write.hardState
      if (write.becomesVoter) this.#standing = 'voter'
      if (this.#log.length !== write.lastIndex) {
        throw new Violation('storage', `write ${write.sequence} left a hole in the log`)
      }
      this.onDurable(write, removed)
    }
  }
}
