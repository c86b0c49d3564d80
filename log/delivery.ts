import type { Follower } from './log.ts'
import type { Entry } from './raft/types.ts'

interface Following {
  readonly follower: Follower
  /** The next index to deliver. */
  next: number
  ended: boolean
  /** When the pending delivery began; 0 when none is pending. */
  busySince: number
  /** The last delivery returned no promise. True before the first. */
  synchronous: boolean
  /** Has once had everything there was. */
  caughtUp: boolean
  scheduled: boolean
}

interface DeliveryPorts {
  /** Empty while the first of them cannot be read: `resume` says that it can. */
  readonly read: (from: number, to: number, limitBytes: number) => readonly Entry[]
  /** Somebody got further. */
  readonly progress: () => void
  /** A follower threw, or its promise was rejected: it gets nothing more. */
  readonly failed: (error: unknown) => void
}

const batchEntriesMax = 1024
const batchBytesMax = 1024 * 1024
/** Deliveries that take longer than this in one go let heartbeats through in between. */
const sliceMilliseconds = 5

/** Hands committed entries to the followers, each at its own pace, in order and without a gap. */
export class Delivery {
  readonly #ports: DeliveryPorts
  readonly #following = new Set<Following>()
  readonly #stuckMilliseconds: number
  #deliverable = 0

  /** A follower whose one delivery is pending for longer than `stuckMilliseconds` does not count as keeping up. */
  constructor(stuckMilliseconds: number, ports: DeliveryPorts) {
    this.#stuckMilliseconds = stuckMilliseconds
    this.#ports = ports
  }

  follow(from: number, follower: Follower): () => void {
    if (!Number.isSafeInteger(from) || from < 1) throw new RangeError(`cannot follow from index ${from}`)
    const following: Following = {
      follower,
      next: from,
      ended: false,
      busySince: 0,
      synchronous: true,
      caughtUp: false,
      scheduled: false,
    }
    this.#following.add(following)
    this.#schedule(following)
    return () => this.#end(following)
  }

  get deliverable(): number {
    return this.#deliverable
  }

  /** Entries up to `index` may be delivered. */
  advance(index: number): void {
    if (index <= this.#deliverable) return
    this.#deliverable = index
    for (const following of this.#following) this.#pump(following)
  }

  /** What could not be read can be, now. */
  resume(): void {
    for (const following of this.#following) this.#schedule(following)
  }

  /** The last index that every synchronous follower which has caught up once has had. */
  applied(): number {
    let applied = this.#deliverable
    for (const following of this.#following) {
      if (following.synchronous && following.caughtUp) applied = Math.min(applied, following.next - 1)
    }
    return applied
  }

  /** Whether every follower that keeps up has had `index`. */
  hasDelivered(index: number, now: number): boolean {
    if (this.#deliverable < index) return false
    for (const following of this.#following) {
      const stuck = following.busySince > 0 && now - following.busySince > this.#stuckMilliseconds
      const counts = !stuck && (following.synchronous || following.caughtUp)
      if (counts && following.next <= index) return false
    }
    return true
  }

  endAll(): void {
    for (const following of this.#following) this.#end(following)
  }

  #end(following: Following): void {
    following.ended = true
    this.#following.delete(following)
  }

  #schedule(following: Following): void {
    if (following.scheduled) return
    following.scheduled = true
    setImmediate(() => {
      following.scheduled = false
      this.#pump(following)
      this.#ports.progress()
    })
  }

  #pump(following: Following): void {
    const began = performance.now()
    while (!following.ended && following.busySince === 0 && !following.scheduled) {
      if (following.next > this.#deliverable) {
        following.caughtUp = true
        return
      }
      if (performance.now() - began > sliceMilliseconds) {
        this.#schedule(following)
        return
      }
      if (!this.#deliver(following)) return
    }
  }

  /** False when nothing can be delivered now. */
  #deliver(following: Following): boolean {
    try {
      const to = Math.min(this.#deliverable, following.next + batchEntriesMax - 1)
      const entries = this.#ports.read(following.next, to, batchBytesMax)
      if (entries.length === 0) return false
      const result = following.follower(entries)
      following.synchronous = !(result instanceof Promise)
      if (result instanceof Promise) this.#await(following, entries.length, result)
      else following.next += result ?? entries.length
    } catch (error) {
      this.#end(following)
      this.#ports.failed(error)
    }
    return true
  }

  #await(following: Following, count: number, result: Promise<void>): void {
    following.busySince = performance.now()
    result.then(
      () => {
        following.busySince = 0
        following.next += count
        this.#pump(following)
        this.#ports.progress()
      },
      (error: unknown) => {
        this.#end(following)
        this.#ports.failed(error)
      },
    )
  }
}
