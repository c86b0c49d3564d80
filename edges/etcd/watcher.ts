import { Rejection } from '../../domains/kernel/rejection.ts'
import type { KeyEvent } from '../../projections/keys/queries.ts'
import type { Member } from './member.ts'
import type { Subscriber, WatchHub } from './watch_hub.ts'

/** Events that wait for a client to take them, at most: a watcher with more lags, and is served from the history on disk. */
const QUEUED_MAX = 1024
/** Events that are sent together, unless one revision has more. */
const TOGETHER_MAX = 256

interface Batch {
  readonly revision: number
  readonly events: readonly KeyEvent[]
}

export interface WatcherSpec {
  readonly from: string
  readonly to: string | undefined
  /** The first revision wanted. */
  readonly startRevision: number
  readonly previous: boolean
  /** Which events are not wanted. */
  readonly without: ReadonlySet<KeyEvent['type']>
}

export interface WatcherPorts {
  /** Events up to a revision, none of which is split; or, with `more`, of that one alone, which goes on with the next call. */
  readonly send: (revision: number, events: readonly KeyEvent[], more: boolean) => Promise<void>
  /** What it needs is compacted: it has ended. */
  readonly compacted: (compactRevision: number) => Promise<void>
  /** The history could not be read. */
  readonly failed: (error: unknown) => void
}

/**
 * One watch: every event of its keys, in order, once, with no revision split. Live ones come from the hub through a bounded queue; a
 * watcher that begins in the past, or whose client is slow, reads the history until it has caught up.
 */
export class Watcher implements Subscriber {
  readonly from: string
  readonly to: string | undefined
  readonly #spec: WatcherSpec
  readonly #member: Member
  readonly #hub: WatchHub
  readonly #ports: WatcherPorts
  readonly #unsubscribe: () => void
  #queue: Batch[] = []
  #queued = 0
  /** The first revision that is not sent. */
  #next: number
  #lagging: boolean
  #overflowed = false
  #busy = false
  /** Of a revision a part is sent, and more is to come. */
  #parted = false
  #ended = false
  #marks: { readonly revision: number; readonly resolve: () => void }[] = []
  /** When something was last sent, on the monotonic clock. */
  lastSent = performance.now()

  constructor(spec: WatcherSpec, member: Member, hub: WatchHub, ports: WatcherPorts) {
    this.#spec = spec
    this.from = spec.from
    this.to = spec.to
    this.#member = member
    this.#hub = hub
    this.#ports = ports
    this.#next = spec.startRevision
    this.#lagging = spec.startRevision <= hub.revision
    this.#unsubscribe = hub.subscribe(this)
  }

  /** The first revision wanted. */
  get first(): number {
    return this.#spec.startRevision
  }

  /** Begins to send. */
  start(): void {
    void this.#run()
  }

  end(): void {
    this.#ended = true
    this.#unsubscribe()
    this.#queue = []
    for (const { resolve } of this.#marks) resolve()
    this.#marks = []
  }

  /** Whether everything that has happened so far is sent. */
  get current(): boolean {
    return !this.#lagging && !this.#busy && this.#queue.length === 0
  }

  /** Resolves once everything up to a revision that has come is sent. */
  reached(revision: number): Promise<void> {
    if (this.#ended || this.current) return Promise.resolve()
    return new Promise((resolve) => this.#marks.push({ revision, resolve }))
  }

  offer(revision: number, events: readonly KeyEvent[]): void {
    if (revision < this.#next || this.#overflowed) return
    if (this.#queued + events.length > QUEUED_MAX && this.#queue.length > 0) {
      this.#overflow()
      return
    }
    this.#queue.push({ revision, events })
    this.#queued += events.length
    if (!this.#busy) void this.#run()
  }

  offerLarge(revision: number): void {
    if (revision < this.#next || this.#overflowed) return
    this.#overflow()
    if (!this.#busy) void this.#run()
  }

  /** What was queued is read from the history. */
  #overflow(): void {
    this.#queue = []
    this.#queued = 0
    this.#overflowed = true
    this.#lagging = true
  }

  async #run(): Promise<void> {
    if (this.#busy) return
    this.#busy = true
    try {
      while (!this.#ended && (this.#lagging || this.#queue.length > 0)) {
        if (this.#lagging) await this.#catchUp()
        else await this.#sendQueued()
        this.#settle()
      }
    } catch (error) {
      this.#ports.failed(error)
    } finally {
      this.#busy = false
      this.#settle()
    }
  }

  async #sendQueued(): Promise<void> {
    const first = this.#queue[0] as Batch
    let count = 1
    let events = first.events
    while (count < this.#queue.length) {
      const more = (this.#queue[count] as Batch).events
      if (events.length + more.length > TOGETHER_MAX) break
      events = [...events, ...more]
      count++
    }
    const { revision } = this.#queue[count - 1] as Batch
    this.#queue.splice(0, count)
    this.#queued -= events.length
    const since = this.#next
    this.#next = revision + 1
    await this.#send(since, revision, events, false)
  }

  /** Reads from the history what has happened until now; what happens meanwhile is queued. */
  async #catchUp(): Promise<void> {
    const target = this.#hub.revision
    this.#queue = this.#queue.filter(({ revision }) => revision > target)
    this.#queued = this.#queue.reduce((sum, { events }) => sum + events.length, 0)
    this.#overflowed = false
    const { from, to, previous } = this.#spec
    let sub = 0
    while (this.#next <= target && !this.#ended) {
      try {
        const since = this.#next
        const page = await this.#member.ask('events', { from, to, since, sub, until: target, previous })
        const more = page.sub > 0
        this.#next = page.next
        sub = page.sub
        await this.#send(since, more ? page.next : page.next - 1, page.events, more)
      } catch (error) {
        if (this.#ended) return
        if (!(error instanceof Rejection) || error.code !== 'REVISION_COMPACTED') throw error
        this.end()
        // The history may have heard of the compaction first.
        await this.#ports.compacted(Math.max(this.#hub.compacted, Number(error.details['compacted'] ?? 0)))
        return
      }
    }
    this.#lagging = this.#overflowed
  }

  /** Sends what happened from one revision to another, both inclusive. */
  async #send(since: number, revision: number, events: readonly KeyEvent[], more: boolean): Promise<void> {
    assertOrder(since, revision, events)
    const { without, previous } = this.#spec
    const kept = without.size === 0 ? events : events.filter(({ type }) => !without.has(type))
    if (this.#ended || (kept.length === 0 && (more || !this.#parted))) return
    this.#parted = more
    this.lastSent = performance.now()
    await this.#ports.send(
      revision,
      previous ? kept : kept.map(({ type, kv }) => ({ type, kv, previous: undefined })),
      more,
    )
  }

  #settle(): void {
    if (this.#lagging || this.#marks.length === 0) return
    const below = this.#queue[0]?.revision ?? Number.POSITIVE_INFINITY
    const kept = this.#marks.filter(({ revision, resolve }) => {
      if (revision >= below) return true
      resolve()
      return false
    })
    this.#marks = kept
  }
}

/** No client may be told of a revision out of its order: its watch ends instead. */
function assertOrder(since: number, until: number, events: readonly KeyEvent[]): void {
  let last = since
  for (const { type, kv } of events) {
    const { modRevision: revision } = kv
    if (revision < last || revision > until)
      throw new Error(`a ${type} at revision ${revision} was to be told of after ${last}, up to ${until}`)
    last = revision
  }
}
