import type { MemberId } from './raft/types.ts'
import { type BlockPart, readBlock, replaceBlock } from './storage/block.ts'
import { restoreAdvice, SegmentDamaged } from './storage/errors.ts'
import type { Segments } from './storage/segments.ts'

const retryMillisecondsMin = 500
const retryMillisecondsMax = 60_000

export interface RepairPorts {
  /** The other members. */
  readonly peers: readonly MemberId[]
  /** Asks one of them for the sealed block that begins with an entry. */
  readonly fetch: (peer: MemberId, firstIndex: number, signal: AbortSignal) => AsyncIterable<BlockPart>
  /** A segment is sound again: who waited for it may go on. */
  readonly repaired: () => void
  readonly warn: (message: string) => void
}

/**
 * Makes sealed segments that turned out to be damaged anew, from whoever of the others has their blocks: each takes the place of the
 * damaged one only when it is the one of this member's own hash chain. One at a time, the last first, since each vouches for the one
 * before it; tried again until it is done. A member without others says what it found, and no more.
 */
export class SegmentRepair {
  readonly #segments: Segments
  readonly #ports: RepairPorts
  readonly #damaged = new Map<number, SegmentDamaged>()
  readonly #stopping = new AbortController()
  readonly #waiters = new Set<() => void>()
  #running: Promise<void> | undefined
  #timer: NodeJS.Timeout | undefined
  #retryMilliseconds = retryMillisecondsMin

  constructor(segments: Segments, ports: RepairPorts) {
    this.#segments = segments
    this.#ports = ports
  }

  /** Whether there is anybody to repair from. */
  get possible(): boolean {
    return this.#ports.peers.length > 0 && !this.#stopping.signal.aborted
  }

  /** What is wrong with the segment that holds an entry; undefined for all that is known. */
  damageAt(index: number): SegmentDamaged | undefined {
    return this.#damaged.get(this.#segments.positionOf(index))
  }

  /** Says what was found, once, and begins to repair it. */
  found(damage: SegmentDamaged): void {
    const position = this.#segments.positionOf(damage.firstIndex)
    if (this.#damaged.has(position) && this.possible) return
    if (!this.possible) {
      this.#ports.warn(damage.message)
      return
    }
    const what = damage.message.replace(` ${restoreAdvice}`, '')
    this.#ports.warn(`${what} Its block is asked of the other members`)
    this.#damaged.set(position, damage)
    this.#start()
  }

  /** Resolves with whether the segment that holds an entry is sound again within so many milliseconds. */
  async whenSound(index: number, milliseconds: number): Promise<boolean> {
    const deadline = performance.now() + milliseconds
    while (this.damageAt(index) !== undefined) {
      const left = deadline - performance.now()
      if (left <= 0 || !this.possible) return false
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, left)
        this.#waiters.add(() => {
          clearTimeout(timer)
          resolve()
        })
      })
    }
    return true
  }

  /** A block for another member; that this copy is damaged is a reason to repair it. Throws as `readBlock`. */
  async *block(firstIndex: number): AsyncGenerator<BlockPart> {
    try {
      yield* readBlock(this.#segments, firstIndex)
    } catch (error) {
      if (error instanceof SegmentDamaged) this.found(error)
      throw error
    }
  }

  async stop(): Promise<void> {
    this.#stopping.abort()
    clearTimeout(this.#timer)
    this.#wake()
    await this.#running
  }

  #start(): void {
    if (this.#running !== undefined || !this.possible) return
    clearTimeout(this.#timer)
    this.#running = this.#repairAll().finally(() => {
      this.#running = undefined
      if (this.#damaged.size === 0 || !this.possible) return
      this.#timer = setTimeout(() => this.#start(), this.#retryMilliseconds)
      this.#retryMilliseconds = Math.min(2 * this.#retryMilliseconds, retryMillisecondsMax)
    })
  }

  async #repairAll(): Promise<void> {
    for (const position of [...this.#damaged.keys()].sort((a, b) => b - a)) {
      if (!this.possible) return
      const path = this.#segments.pathOf(position)
      const problems: string[] = []
      const peer = await this.#repair(position, problems)
      if (peer !== undefined) {
        this.#damaged.delete(position)
        this.#retryMilliseconds = retryMillisecondsMin
        this.#ports.warn(
          `${path} was damaged, and is sound again: member ${peer} had its block, which is the one of the hash chain`,
        )
        this.#wake()
        this.#ports.repaired()
      } else if (this.possible)
        this.#ports.warn(
          `${path} is damaged, and nobody had its block: ${problems.join('; ')}. It is asked for again; where that does not help, let this member recover (ultracloud member recover)`,
        )
    }
  }

  /** Who had the block. Puts what went wrong with the others into `problems`. */
  async #repair(position: number, problems: string[]): Promise<MemberId | undefined> {
    for (const peer of this.#ports.peers) {
      const { signal } = this.#stopping
      try {
        const firstIndex = this.#segments.firstIndexOf(position)
        await replaceBlock(this.#segments, position, this.#ports.fetch(peer, firstIndex, signal))
        return peer
      } catch (error) {
        if (signal.aborted) return undefined
        problems.push(`member ${peer}: ${error instanceof Error ? error.message : String(error)}`)
      }
    }
    return undefined
  }

  #wake(): void {
    for (const waiter of this.#waiters) waiter()
    this.#waiters.clear()
  }
}
