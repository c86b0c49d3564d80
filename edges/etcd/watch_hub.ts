import type { Write } from '../../domains/kernel/table.ts'
import { BEGINNING, type KeyValue, type Progress } from '../../domains/kv/contract.ts'
import type { KeyEvent } from '../../projections/keys/queries.ts'
import type { Member } from './member.ts'

/** What hears of the events of an interval of keys. */
export interface Subscriber {
  readonly from: string
  /** Undefined: without an end. */
  readonly to: string | undefined
  /** All events of one revision that are in the interval. Must be quick, and not throw. */
  offer(revision: number, events: readonly KeyEvent[]): void
  /** As `offer`, of a revision whose events are only in the history: they may be too many for memory. */
  offerLarge(revision: number): void
}

/** Hands the events of each applied entry to those who watch their keys. */
export class WatchHub {
  readonly #byKey = new Map<string, Set<Subscriber>>()
  readonly #ranges = new Set<Subscriber>()
  readonly #unfollow: () => void
  #progress: Progress
  #again = false

  constructor({ platform, view }: Member) {
    this.#progress = view.progress.get('current') ?? BEGINNING
    this.#unfollow = platform.onApplied((writes) => this.#applied(writes))
  }

  /** The store's revision that is committed and applied here. */
  get revision(): number {
    return this.#progress.revision
  }

  get compacted(): number {
    return this.#progress.compacted
  }

  close(): void {
    this.#unfollow()
  }

  /** From the next applied entry on. The returned function ends it. */
  subscribe(subscriber: Subscriber): () => void {
    const { from, to } = subscriber
    if (to !== `${from}\0`) {
      this.#ranges.add(subscriber)
      return () => this.#ranges.delete(subscriber)
    }
    let found = this.#byKey.get(from)
    if (found === undefined) this.#byKey.set(from, (found = new Set()))
    const subscribers = found.add(subscriber)
    return () => {
      subscribers.delete(subscriber)
      if (subscribers.size === 0 && this.#byKey.get(from) === subscribers) this.#byKey.delete(from)
    }
  }

  /**
   * A revision's own write of the progress comes before those of its keys. When a member makes its rows anew, it applies again what was
   * told long ago: that is passed over.
   */
  #applied(writes: readonly Write[]): void {
    if (this.#byKey.size + this.#ranges.size > 0) this.#collect(writes)
    else {
      for (const { table, after } of writes)
        if (table.name === 'kv.progress') this.#advance((after as Progress | undefined) ?? BEGINNING)
    }
  }

  #collect(writes: readonly Write[]): void {
    if (writes.some(({ table }) => table.name === 'kv.sweep')) {
      this.#large(writes)
      return
    }
    let events: KeyEvent[] = []
    for (const { table, key, before, after } of writes) {
      if (table.name === 'kv.progress') {
        if (events.length > 0) this.#dispatch(events)
        events = []
        this.#advance((after as Progress | undefined) ?? BEGINNING)
      } else if (table.name === 'kv.keys' && !this.#again) {
        const previous = before as KeyValue | undefined
        const kv = after as KeyValue | undefined
        if (kv !== undefined) events.push({ type: 'put', kv, previous })
        else events.push({ type: 'delete', kv: tombstone(key, this.#progress.revision), previous })
      }
    }
    if (events.length > 0) this.#dispatch(events)
  }

  /** The entry by which a large deletion begins has its revision; those that take the rows out have none. */
  #large(writes: readonly Write[]): void {
    for (const { table, after } of writes) {
      if (table.name !== 'kv.progress') continue
      this.#advance((after as Progress | undefined) ?? BEGINNING)
      if (this.#again) continue
      for (const subscribers of [this.#ranges, ...this.#byKey.values()])
        for (const subscriber of subscribers) subscriber.offerLarge(this.#progress.revision)
    }
  }

  #advance(progress: Progress): void {
    const { revision, compacted } = this.#progress
    this.#again = progress.revision <= revision
    if (!this.#again || (progress.revision === revision && progress.compacted > compacted))
      this.#progress = progress
  }

  #dispatch(events: readonly KeyEvent[]): void {
    const { revision } = this.#progress
    if (this.#byKey.size > 0) {
      const found = new Map<Subscriber, KeyEvent[]>()
      for (const event of events) {
        for (const subscriber of this.#byKey.get(event.kv.key) ?? []) {
          const own = found.get(subscriber)
          if (own === undefined) found.set(subscriber, [event])
          else own.push(event)
        }
      }
      for (const [subscriber, own] of found) subscriber.offer(revision, own)
    }
    for (const subscriber of this.#ranges) {
      const { from, to } = subscriber
      const own = events.filter(({ kv: { key } }) => key >= from && (to === undefined || key < to))
      if (own.length > 0) subscriber.offer(revision, own)
    }
  }
}

function tombstone(key: string, revision: number): KeyValue {
  return { key, value: '', createRevision: 0, modRevision: revision, version: 0, lease: '0' }
}
