import { formatDirectory } from '../../log/storage/format.ts'
import { walDirectory } from '../../log/storage/paths.ts'
import { pathsIn, SimulatedDisk, type Torn } from '../../log/storage/simulated-disk.ts'
import { LogStore } from '../../log/storage/store.ts'
import { sectorBytes } from '../../log/storage/wal-group.ts'
import { Random } from '../sim/random.ts'
import { ChangeModel, shownBy } from './change_model.ts'

const directory = '/data'
const identity = { clusterId: 'crash', memberId: 1 }
const BLOCK_ENTRIES = 8
const PAYLOAD_BYTES_MAX = 5000
const STEPS = 40
/** Entries at which a log begins anew: all of them are read after each crash. */
const ENTRIES_MAX = 120

const modes: readonly Torn[] = ['none', 'first', 'last', 'random', 'random', 'all']

export interface Explored {
  /** Crashes after which the store was opened and compared; some of them while it recovered from another. */
  readonly crashes: number
  readonly crashesInRecovery: number
  /** Of the process alone, each followed by a start and a crash. */
  readonly kills: number
  /** Bytes flipped after a crash. */
  readonly flips: number
  readonly changes: number
  readonly operations: number
  /** What went wrong first; undefined when nothing did. */
  readonly failure: string | undefined
}

/** What may be shown: the states after each change from the last acknowledged one to the last that was queued. */
interface Allowed {
  readonly acknowledged: number
  readonly states: readonly string[]
}

/**
 * Runs the real storage on a simulated disk with a random workload, and crashes it before, in and after every write, sync and
 * change of a name. After each crash the store must open and show exactly what it showed after some change between the last
 * acknowledged and the last queued one: nothing lost, no term without its entries, nothing torn refused.
 */
export class Explorer {
  readonly #random: Random
  readonly #crashesMax: number
  #disk = new SimulatedDisk()
  #isFormatted = false
  #next: SimulatedDisk | undefined
  #forks = 0
  #allowed: Allowed = { acknowledged: 0, states: [] }
  #crashes = 0
  #crashesInRecovery = 0
  #kills = 0
  #flips = 0
  #changes = 0
  #operations = 0
  #failure: string | undefined

  constructor(seed: number, crashesMax: number) {
    this.#random = new Random(seed)
    this.#crashesMax = crashesMax
  }

  async run(): Promise<Explored> {
    while (!this.#isOver) await this.#epoch()
    const [crashes, crashesInRecovery, flips] = [this.#crashes, this.#crashesInRecovery, this.#flips]
    const [kills, changes, operations] = [this.#kills, this.#changes, this.#operations]
    return { crashes, crashesInRecovery, flips, kills, changes, operations, failure: this.#failure }
  }

  get #isOver(): boolean {
    return this.#failure !== undefined || this.#crashes >= this.#crashesMax
  }

  /** A life of the store, from a start to an end or a crash; the next one begins with what a crash in it left. */
  async #epoch(): Promise<void> {
    if (!this.#isFormatted) await this.#format()
    const later: (() => void)[] = []
    const disk = this.#disk
    const store = await this.#open(disk, later)
    const model = ChangeModel.of(store, this.#random, PAYLOAD_BYTES_MAX)
    let acknowledged = 0
    const allow = (): void => {
      this.#allowed = { acknowledged, states: model.states }
    }
    allow()
    disk.observer = (_, operation) => this.#crash(disk, operation)
    for (let step = 0; step < STEPS && !this.#isOver; step += 1) {
      const done: Promise<void>[] = []
      for (let count = this.#random.between(1, 3); count > 0; count -= 1) {
        const change = model.next()
        this.#changes += 1
        const acknowledge = Promise.withResolvers<void>()
        done.push(acknowledge.promise)
        store.append(change, () => {
          acknowledged += 1
          allow()
          acknowledge.resolve()
        })
      }
      await Promise.all(done)
      if (this.#random.chance(0.4)) store.committed(model.commit(store.lastIndex()))
      if (this.#random.chance(0.3)) later.shift()?.()
      if (this.#random.chance(0.2)) await store.settled()
    }
    if (this.#random.chance(0.5)) await store.close()
    else await store.settled()
    disk.observer = undefined
    this.#disk = this.#next ?? disk.crashed('none', this.#random)
    this.#isFormatted = store.lastIndex() < ENTRIES_MAX
    this.#next = undefined
    this.#forks = 0
  }

  async #format(): Promise<void> {
    this.#disk = new SimulatedDisk()
    await formatDirectory(
      directory,
      identity,
      { standing: 'founding', blockEntries: BLOCK_ENTRIES },
      this.#disk,
    )
    this.#isFormatted = true
  }

  async #open(disk: SimulatedDisk, later: (() => void)[]): Promise<LogStore> {
    const failed = (error: Error): void => this.#fail(`the store has stopped: ${error.message}`)
    const ports = {
      disk,
      later: (action: () => void) => {
        later.push(action)
        return () => void later.splice(0, later.length, ...later.filter((other) => other !== action))
      },
    }
    return LogStore.open(directory, identity, failed, ports)
  }

  /** All the crashes that can come at this point. What is allowed is as it is now, while the workload goes on later. */
  async #crash(disk: SimulatedDisk, operation: string): Promise<void> {
    if (this.#isOver) return
    this.#operations += 1
    const { acknowledged, states } = this.#allowed
    const allowed = { acknowledged, states: [...states] }
    const possible = disk.isDirty ? modes : (['none'] as const)
    const forks = possible.map((torn) => ({ torn, left: disk.crashed(torn, this.#random) }))
    const killed = disk.isDirty ? disk.killed() : undefined
    if (killed !== undefined) await this.#kill(killed, allowed, `kill at the ${operation}`)
    for (const { torn, left } of forks) {
      if (this.#isOver) return
      this.#forks += 1
      if (this.#random.between(1, this.#forks) === 1) this.#next = left.crashed('all', this.#random)
      if (this.#random.chance(0.1)) await this.#flip(left.crashed('all', this.#random), allowed, operation)
      const context = `crash at the ${operation}, ${torn} of its sectors written`
      if (this.#random.chance(0.1))
        left.observer = (_, inner) => this.#crashAgain(left, allowed, `${context}; ${inner}`)
      await this.#check(left, allowed, context)
    }
  }

  /** The process is killed, not the machine; what the store shows when it starts again it may promise, so that no crash takes it back. */
  async #kill(disk: SimulatedDisk, allowed: Allowed, context: string): Promise<void> {
    this.#kills += 1
    if (this.#random.chance(0.2))
      disk.observer = (_, inner) => this.#crashAgain(disk, allowed, `${context}; ${inner}`)
    const store = await this.#open(disk, []).catch((error: unknown) => String(error))
    disk.observer = undefined
    if (typeof store === 'string') return this.#fail(`${context}: ${store}`)
    if (!this.#isAllowed(store, allowed, context)) return
    const model = ChangeModel.of(store, this.#random, PAYLOAD_BYTES_MAX)
    let acknowledged = 0
    for (const changes = this.#random.between(0, 4); acknowledged < changes; acknowledged += 1)
      await new Promise<void>((done) => store.append(model.next(), done))
    const shown = { acknowledged, states: model.states }
    const after = `${context}, a start, ${acknowledged} changes, and a crash`
    await this.#check(disk.crashed('none', this.#random), shown, after)
  }

  /** A crash while the store recovers from one. */
  async #crashAgain(disk: SimulatedDisk, allowed: Allowed, context: string): Promise<void> {
    this.#crashesInRecovery += 1
    const torn = this.#random.pick(modes)
    await this.#check(disk.crashed(torn, this.#random), allowed, `${context}, ${torn} of its sectors written`)
  }

  async #check(disk: SimulatedDisk, allowed: Allowed, context: string): Promise<void> {
    this.#crashes += 1
    let store: LogStore
    try {
      store = await this.#open(disk, [])
    } catch (error) {
      this.#fail(`${context}: ${String(error)}`)
      return
    }
    disk.observer = undefined
    if (!this.#isAllowed(store, allowed, context) || !this.#random.chance(0.2)) return
    // What recovered must also go on.
    const model = ChangeModel.of(store, this.#random, PAYLOAD_BYTES_MAX)
    await new Promise<void>((done) => store.append(model.next(), done))
    await store.close()
    const again = await this.#open(disk, []).catch((error: unknown) => String(error))
    if (typeof again === 'string') this.#fail(`${context}; after one more change: ${again}`)
    else
      this.#isAllowed(again, { acknowledged: 1, states: model.states }, `${context}; after one more change`)
  }

  /** A flipped byte is refused, or harmless; whatever the mark says. */
  async #flip(disk: SimulatedDisk, allowed: Allowed, operation: string): Promise<void> {
    const path = this.#random.pick(await pathsIn(disk, walDirectory(directory)))
    const used = disk.content(path).findLastIndex((byte) => byte !== 0)
    if (!path.endsWith('.wal') || used < 0) return
    this.#flips += 1
    const offset = this.#offsetToFlip(used)
    const mask = this.#random.between(1, 255)
    disk.edit(path, (content) => content.writeUInt8(content.readUInt8(offset) ^ mask, offset))
    const store = await this.#open(disk, []).catch(() => undefined)
    if (store !== undefined)
      this.#isAllowed(store, allowed, `byte ${offset} of ${path} flipped at the ${operation}`)
  }

  /** Any byte, and more often one of the newest group, which nothing follows, or the stamp of one of its sectors. */
  #offsetToFlip(used: number): number {
    if (this.#random.chance(0.4)) return this.#random.between(0, used)
    const sector = Math.max(0, Math.floor(used / sectorBytes) - this.#random.between(0, 8))
    const inSector = this.#random.between(0, this.#random.chance(0.5) ? 3 : sectorBytes - 1)
    return Math.min(used, sector * sectorBytes + inSector)
  }

  #isAllowed(store: LogStore, { acknowledged, states }: Allowed, context: string): boolean {
    const shown = shownBy(store)
    const expected = states.slice(acknowledged)
    if (expected.includes(shown)) return true
    this.#fail(`${context}: ${shown} instead of ${expected.join(' or ')}`)
    return false
  }

  #fail(text: string): void {
    this.#failure ??= text
  }
}
