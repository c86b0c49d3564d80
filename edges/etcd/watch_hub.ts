import type { Write } from '../../domains/kernel/table.ts'
import { BEGINNING, type KeyValue, type Progress } from '../../domains/kv/contract.ts'
import { EVERYTHING, type Interval, meets } from '../../domains/kv/interval.ts'
import type { Sweep } from '../../domains/kv/state.ts'
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
        events.push(this.#eventOf(key, before, after))
      }
    }
    if (events.length > 0) this.#dispatch(events)
  }

  /**
   * The entry by which a large deletion begins has its revision, and may write other keys; those that take the rows out have none, and
   * say nothing.
   */
  #large(writes: readonly Write[]): void {
    let isBegun = false
    const events: KeyEvent[] = []
    const swept: Interval[] = []
    for (const { table, key, before, after } of writes) {
      if (table.name === 'kv.progress') {
        this.#advance((after as Progress | undefined) ?? BEGINNING)
        isBegun = !this.#again
      } else if (table.name === 'kv.keys' && isBegun) events.push(this.#eventOf(key, before, after))
      else if (table.name === 'kv.sweep') swept.push(...begunBy(after as Sweep | undefined))
    }
    if (!isBegun) return
    const large = new Set<Subscriber>()
    for (const subscribers of [this.#ranges, ...this.#byKey.values()])
      for (const subscriber of subscribers)
        if (swept.some((interval) => meets(interval, [subscriber.from, subscriber.to]))) large.add(subscriber)
    if (events.length > 0) this.#dispatch(events, large)
    for (const subscriber of large) subscriber.offerLarge(this.#progress.revision)
  }

  #eventOf(key: string, before: object | undefined, after: object | undefined): KeyEvent {
    const previous = before as KeyValue | undefined
    const kv = after as KeyValue | undefined
    if (kv !== undefined) return { type: 'put', kv, previous }
    return { type: 'delete', kv: tombstone(key, this.#progress.revision), previous }
  }

  #advance(progress: Progress): void {
    const { revision, compacted } = this.#progress
    this.#again = progress.revision <= revision
    if (!this.#again || (progress.revision === revision && progress.compacted > compacted))
      this.#progress = progress
  }

  #dispatch(events: readonly KeyEvent[], without: ReadonlySet<Subscriber> = NOBODY): void {
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
      for (const [subscriber, own] of found) if (!without.has(subscriber)) subscriber.offer(revision, own)
    }
    for (const subscriber of this.#ranges) {
      if (without.has(subscriber)) continue
      const { from, to } = subscriber
      const own = events.filter(({ kv: { key } }) => key >= from && (to === undefined || key < to))
      if (own.length > 0) subscriber.offer(revision, own)
    }
  }
}

const NOBODY: ReadonlySet<Subscriber> = new Set()

/** What the entry sweeps that begins it. The keys of a lease may be anywhere. */
function begunBy(sweep: Sweep | undefined): readonly Interval[] {
  if (sweep === undefined) return []
  if (sweep.lease !== null) return [EVERYTHING]
  return sweep.intervals.map(({ from, to }) => [from, to ?? undefined])
}

function tombstone(key: string, revision: number): KeyValue {
  return { key, value: '', createRevision: 0, modRevision: revision, version: 0, lease: '0' }
}
