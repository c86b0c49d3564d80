import { dirname, join } from 'node:path'
import type { Disk, DiskFile, OpenMode, SyncReader } from './disk.ts'

/** Where chance comes from. */
export interface Chance {
  /** Both inclusive. */
  between(least: number, most: number): number
  chance(probability: number): boolean
}

/** What a crash leaves of each write that was not synced: these of its sectors. */
export type Torn = 'none' | 'first' | 'last' | 'random' | 'all'

const sectorBytes = 512

interface Write {
  readonly position: number
  readonly content: Buffer
}

/** A file, whatever its name: what is synced, and the writes that are not, in order. */
class Inode {
  durable: Buffer = Buffer.alloc(0)
  pending: Write[] = []

  get content(): Buffer {
    return this.pending.reduce(
      (content, { position, content: written }) => put(content, position, written),
      this.durable,
    )
  }

  sync(): void {
    this.durable = this.content
    this.pending = []
  }

  /** What is left of it after a crash. */
  crashed(torn: Torn, random: Chance): Inode {
    const left = new Inode()
    left.durable = this.durable
    for (const write of this.pending) {
      for (const { position, content } of keptSectors(write, torn, random))
        left.durable = put(left.durable, position, content)
    }
    return left
  }
}

function put(content: Buffer, position: number, written: Buffer): Buffer {
  const result = Buffer.alloc(Math.max(content.length, position + written.length))
  content.copy(result)
  written.copy(result, position)
  return result
}

function keptSectors(write: Write, torn: Torn, random: Chance): Write[] {
  const sectors: Write[] = []
  const end = write.position + write.content.length
  for (let start = write.position; start < end; ) {
    const next = Math.min(end, (Math.floor(start / sectorBytes) + 1) * sectorBytes)
    const content = write.content.subarray(start - write.position, next - write.position)
    sectors.push({ position: start, content })
    start = next
  }
  if (torn === 'none') return []
  if (torn === 'first') return sectors.slice(0, 1)
  if (torn === 'last') return sectors.slice(-1)
  return torn === 'random' ? sectors.filter(() => random.chance(0.5)) : sectors
}

type NameChange =
  | { readonly kind: 'put'; readonly path: string; readonly inode: Inode }
  | { readonly kind: 'rename'; readonly from: string; readonly path: string }
  | { readonly kind: 'remove'; readonly path: string }

function applyName(names: Map<string, Inode>, change: NameChange): void {
  if (change.kind === 'put') names.set(change.path, change.inode)
  if (change.kind === 'remove') names.delete(change.path)
  if (change.kind !== 'rename') return
  const inode = names.get(change.from)
  names.delete(change.from)
  if (inode !== undefined) names.set(change.path, inode)
}

/** Called before and after each write, sync, and change of a name, when a crash could come. */
export type Observer = (disk: SimulatedDisk, operation: string) => Promise<void>

/**
 * A disk in memory that keeps apart what is synced and what is not, for contents and names, and that can crash at any time. A sector
 * of 512 bytes is written or not, a durable file's writes are synced when they resolve, and names are durable once their directory is
 * synced; of those that are not, a crash keeps the first few.
 */
export class SimulatedDisk implements Disk {
  readonly allocationBytes = { first: 4096, most: 16_384 }
  /** Anything written, or named, that is not synced. */
  get isDirty(): boolean {
    return (
      this.#pendingNames.length > 0 || [...this.#names.values()].some(({ pending }) => pending.length > 0)
    )
  }

  observer: Observer | undefined
  readonly #directories = new Set<string>()
  #names = new Map<string, Inode>()
  #durableNames = new Map<string, Inode>()
  #pendingNames: NameChange[] = []
  readonly #locked = new Set<string>()

  /** The disk as the next start finds it after a kill of the process now: what is not synced is there, and still not synced. */
  killed(): SimulatedDisk {
    const left = new SimulatedDisk()
    for (const directory of this.#directories) left.#directories.add(directory)
    const copies = new Map<Inode, Inode>()
    const copyOf = (inode: Inode): Inode => {
      const copy = copies.get(inode) ?? new Inode()
      copies.set(inode, copy)
      copy.durable = inode.durable
      copy.pending = [...inode.pending]
      return copy
    }
    for (const [path, inode] of this.#names) left.#names.set(path, copyOf(inode))
    for (const [path, inode] of this.#durableNames) left.#durableNames.set(path, copyOf(inode))
    left.#pendingNames = this.#pendingNames.map((change) =>
      change.kind === 'put' ? { ...change, inode: copyOf(change.inode) } : change,
    )
    return left
  }

  /** The disk as the next start finds it after a crash now. */
  crashed(torn: Torn, random: Chance): SimulatedDisk {
    const left = new SimulatedDisk()
    for (const directory of this.#directories) left.#directories.add(directory)
    const names = new Map(this.#durableNames)
    for (const directory of this.#directories) {
      const changes = this.#pendingNames.filter(({ path }) => dirname(path) === directory)
      const kept = torn === 'none' ? 0 : torn === 'all' ? changes.length : random.between(0, changes.length)
      for (const change of changes.slice(0, kept)) applyName(names, change)
    }
    for (const [path, inode] of names) left.#names.set(path, inode.crashed(torn, random))
    left.#durableNames = new Map(left.#names)
    return left
  }

  /** Changes durable bytes, as a failing disk does. */
  edit(path: string, change: (content: Buffer) => void): void {
    const inode = this.#inode(path)
    inode.sync()
    const content = Buffer.from(inode.durable)
    change(content)
    inode.durable = content
  }

  content(path: string): Buffer {
    return this.#inode(path).content
  }

  async list(directory: string): Promise<readonly string[]> {
    if (!this.#directories.has(directory)) throw new Error(`${directory} is not there`)
    const prefix = `${directory}/`
    const below = [...this.#names.keys(), ...this.#directories].filter((path) => path.startsWith(prefix))
    return [...new Set(below.map((path) => path.slice(prefix.length).split('/')[0] ?? ''))]
  }

  async makeDirectory(directory: string): Promise<void> {
    for (let path = directory; path !== dirname(path); path = dirname(path)) this.#directories.add(path)
  }

  async size(path: string): Promise<number | undefined> {
    return this.#names.get(path)?.content.length
  }

  async exists(path: string): Promise<boolean> {
    return this.#names.has(path) || this.#directories.has(path)
  }

  async open(path: string, mode: OpenMode): Promise<DiskFile> {
    if (mode === 'create') await this.#change({ kind: 'put', path, inode: new Inode() })
    const inode = this.#inode(path)
    return {
      write: (content, position) => this.#write(inode, path, mode, content, position),
      read: async (position, length) => Buffer.from(inode.content.subarray(position, position + length)),
      sync: () => this.#sync(inode, path),
      close: async () => undefined,
    }
  }

  openSync(path: string): SyncReader {
    const { content } = this.#inode(path)
    return {
      size: content.length,
      read(position, length) {
        if (position + length > content.length) throw new RangeError('file is cut short')
        return Buffer.from(content.subarray(position, position + length))
      },
      close: () => undefined,
    }
  }

  async rename(from: string, to: string): Promise<void> {
    await this.#change({ kind: 'rename', from, path: to })
  }

  async remove(path: string): Promise<void> {
    if (this.#names.has(path)) await this.#change({ kind: 'remove', path })
  }

  async syncDirectory(directory: string): Promise<void> {
    await this.observer?.(this, `sync of ${directory}`)
    for (const change of this.#pendingNames) {
      if (dirname(change.path) === directory) applyName(this.#durableNames, change)
    }
    this.#pendingNames = this.#pendingNames.filter(({ path }) => dirname(path) !== directory)
    await this.observer?.(this, `after the sync of ${directory}`)
  }

  async lock(directory: string): Promise<() => void> {
    if (this.#locked.has(directory)) throw new Error(`${directory} is locked`)
    this.#locked.add(directory)
    return () => this.#locked.delete(directory)
  }

  async #write(
    inode: Inode,
    path: string,
    mode: OpenMode,
    content: Uint8Array,
    position: number,
  ): Promise<void> {
    if (mode === 'read') throw new Error(`${path} is open for reading`)
    inode.pending.push({ position, content: Buffer.from(content) })
    await this.observer?.(this, `write of ${content.length} bytes at ${position} of ${path}`)
    if (mode !== 'durable') return
    inode.sync()
    await this.observer?.(this, `after the write at ${position} of ${path}`)
  }

  async #sync(inode: Inode, path: string): Promise<void> {
    await this.observer?.(this, `sync of ${path}`)
    inode.sync()
    await this.observer?.(this, `after the sync of ${path}`)
  }

  async #change(change: NameChange): Promise<void> {
    applyName(this.#names, change)
    this.#pendingNames.push(change)
    await this.observer?.(this, `${change.kind} of ${change.path}`)
  }

  #inode(path: string): Inode {
    const inode = this.#names.get(path)
    if (inode === undefined) throw new Error(`${path} is not there`)
    return inode
  }
}

/** All files of a directory of a simulated disk, in order. */
export async function pathsIn(disk: SimulatedDisk, directory: string): Promise<string[]> {
  return [...(await disk.list(directory))].sort().map((name) => join(directory, name))
}
