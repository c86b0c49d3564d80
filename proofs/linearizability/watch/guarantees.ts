import { isWanted, type WatchItem, type WatchRecord } from './record.ts'
import { describeEvent, type StoreLog } from './store_log.ts'

/** The guarantees of etcd's watch API (etcd documentation, "KV API guarantees": watch APIs). */
export type Guarantee =
  | 'ordered'
  | 'unique'
  | 'reliable'
  | 'atomic'
  | 'resumable'
  | 'bookmarkable'
  | 'filtered'

export interface Breach {
  readonly guarantee: Guarantee
  readonly what: string
}

const BREACHES_MAX = 20

/** What of the guarantees did not hold for one watcher, given all that any watcher was told. */
export function breachesOf(record: WatchRecord, log: StoreLog): readonly Breach[] {
  const check = new Check(record)
  for (const item of record.items) {
    check.take(item)
    if (check.breaches.length >= BREACHES_MAX) break
  }
  check.compare(log)
  return check.breaches.slice(0, BREACHES_MAX)
}

class Check {
  readonly breaches: Breach[] = []
  readonly #record: WatchRecord
  /** `revision key` of what it was told. */
  readonly #told = new Set<string>()
  /** The first revision wanted. */
  #from: number | undefined
  /** The first one wanted of the present connection. */
  #asked = 0
  /** The first revision that may still be told. */
  #next = 0
  /** The revision of which more fragments follow. */
  #partial: number | undefined
  /** Why nothing below `#next` may come. */
  #because: Guarantee = 'resumable'

  constructor(record: WatchRecord) {
    this.#record = record
  }

  take(item: WatchItem): void {
    switch (item.kind) {
      case 'created':
        this.#from ??= item.from
        this.#asked = item.from
        this.#next = item.from
        this.#because = 'resumable'
        // What came of a revision on a connection that was lost in its middle comes again.
        if (this.#partial !== undefined) this.#forget(this.#partial)
        this.#partial = undefined
        return
      case 'progress':
        if (item.revision + 1 < this.#asked)
          this.#breach(
            'bookmarkable',
            `progress went back to ${item.revision}, though ${this.#asked} was asked for`,
          )
        if (item.revision + 1 > this.#next) {
          this.#next = item.revision + 1
          this.#because = 'bookmarkable'
        }
        return
      case 'events':
        this.#takeEvents(item)
    }
  }

  /** Nothing that others were told of is missing up to where this one has come. */
  compare({ changes, revisions }: StoreLog): void {
    const { spec } = this.#record
    if (this.#from === undefined) return
    for (const revision of revisions) {
      if (revision < this.#from || revision >= this.#next) continue
      const wanted = [...(changes.get(revision)?.events.values() ?? [])].filter((event) =>
        isWanted(spec, event),
      )
      const missing = wanted.filter(({ kv }) => !this.#told.has(`${revision} ${kv.key}`))
      if (missing.length === 0) continue
      const [event] = missing
      if (missing.length < wanted.length)
        this.#breach('atomic', `only a part of revision ${revision} was told`)
      else if (event !== undefined) this.#breach('reliable', `${describeEvent(event)} was not told`)
    }
  }

  #takeEvents(item: Extract<WatchItem, { kind: 'events' }>): void {
    const { spec } = this.#record
    let last = 0
    for (const event of item.events) {
      const { key, mod } = event.kv
      const name = `${mod} ${key}`
      if (this.#told.has(name)) this.#breach('unique', `${describeEvent(event)} was told again`)
      else if (mod < this.#next)
        this.#breach(
          this.#because === 'ordered' && mod === this.#next - 1 ? 'atomic' : this.#because,
          `${describeEvent(event)} was told after ${this.#next - 1} had been reached`,
        )
      if (mod > item.revision)
        this.#breach('ordered', `${describeEvent(event)} was told under a header of ${item.revision}`)
      if (mod < last) this.#breach('ordered', `${describeEvent(event)} was told after revision ${last}`)
      if (!isWanted(spec, event)) this.#breach('filtered', `${describeEvent(event)} was not wanted`)
      if (event.previous !== undefined && !spec.previous)
        this.#breach('filtered', `what was before ${describeEvent(event)} was not wanted`)
      // Nothing is compacted while a proof runs.
      if (event.previous === undefined && spec.previous && (event.type === 'delete' || event.kv.version > 1))
        this.#breach('filtered', `what was before ${describeEvent(event)} was not told`)
      this.#told.add(name)
      last = Math.max(last, mod)
    }
    this.#partial = item.fragment ? last : undefined
    this.#next = Math.max(this.#next, item.fragment ? last : last + 1)
    this.#because = 'ordered'
  }

  #forget(revision: number): void {
    for (const name of this.#told) if (name.startsWith(`${revision} `)) this.#told.delete(name)
  }

  #breach(guarantee: Guarantee, what: string): void {
    this.breaches.push({ guarantee, what: `${this.#record.spec.name}: ${what}` })
  }
}
