import { mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect } from 'vitest'
import type { Entry, HardState } from '../raft/types.ts'
import { StorageError, type StorageReason } from './errors.ts'
import { formatDirectory } from './format.ts'
import { walName } from './paths.ts'
import { LogStore } from './store.ts'
import { walSeed } from './wal.ts'
import { scanFile } from './wal-scan.ts'

export const identity = { clusterId: 'test-cluster', memberId: 1 }
export const blockEntries = 8

async function exists(path: string): Promise<boolean> {
  return stat(path).then(
    () => true,
    () => false,
  )
}

/** A temporary directory for each test, and the stores opened in it. */
export class TestStorage {
  base = ''
  readonly failures: StorageError[] = []
  readonly #opened: LogStore[] = []

  /** To be called once in a test file. */
  static use(): TestStorage {
    const storage = new TestStorage()
    beforeEach(async () => {
      storage.base = await mkdtemp(join(tmpdir(), 'chainfire-storage-'))
      storage.failures.length = 0
    })
    afterEach(async () => {
      for (const store of storage.#opened.splice(0)) await store.close()
      await rm(storage.base, { recursive: true, force: true })
    })
    return storage
  }

  get directory(): string {
    return join(this.base, 'data')
  }

  async open(at: string = this.directory): Promise<LogStore> {
    if (!(await exists(at))) await formatDirectory(at, identity, { standing: 'founding', blockEntries })
    const store = await LogStore.open(at, identity, (error) => this.failures.push(error))
    this.#opened.push(store)
    return store
  }

  /** A log of 20 entries in terms 1 and 2, closed; two blocks of it are sealed when `sealed`. */
  async prepare(sealed: boolean, at: string = this.directory): Promise<Entry[]> {
    const store = await this.open(at)
    const entries = [...range(1, 12), ...range(13, 20, 2)]
    await append(store, entries.slice(0, 12), { term: 1, vote: 1 })
    await append(store, entries.slice(12), { term: 2, vote: 3 })
    if (sealed) store.committed(20)
    await store.settled()
    await store.close()
    return entries
  }

  /** The message of the refusal to open. */
  async refused(reason: StorageReason, at: string = this.directory): Promise<string> {
    const outcome = await this.open(at).catch((error: unknown) => error)
    expect(outcome).toBeInstanceOf(StorageError)
    if (!(outcome instanceof StorageError)) return ''
    expect(outcome).toMatchObject({ code: 'STORAGE', reason })
    return outcome.message
  }
}

export function entry(index: number, term = 1, text = `payload ${index}`): Entry {
  return { index, term, kind: 'data', payload: Buffer.from(text) }
}

export function range(from: number, to: number, term = 1): Entry[] {
  return Array.from({ length: to - from + 1 }, (_, position) => entry(from + position, term))
}

/** Resolves once the change is done. */
export async function append(
  store: LogStore,
  entries: readonly Entry[],
  hardState: HardState | null = null,
  truncateFrom = 0,
): Promise<void> {
  await new Promise<void>((done) => store.append({ hardState, truncateFrom, entries }, done))
}

export function texts(entries: readonly Entry[]): string[] {
  return entries.map(({ index, term, payload }) => `${index}/${term} ${Buffer.from(payload).toString()}`)
}

/** All that a store shows, read in small pieces. */
export function contents(store: LogStore): string[] {
  const found: string[] = []
  for (let next = 1; next <= store.lastIndex(); ) {
    const entries = store.entries(next, store.lastIndex(), 64)
    found.push(...texts(entries))
    next += entries.length
  }
  return found
}

/** The first write-ahead file of a directory. */
export function walPath(directory: string, fileNumber = 1): string {
  return join(directory, 'wal', walName(fileNumber))
}

/** Changes the bytes of a file in place. */
export async function edit(path: string, change: (content: Buffer) => void): Promise<void> {
  const content = await readFile(path)
  change(content)
  await writeFile(path, content)
}

/** Where each group of a write-ahead file begins, and behind the last where the next would. */
export async function groupOffsets(path: string): Promise<number[]> {
  const { groups, end } = scanFile(await readFile(path), walSeed(identity))
  return [...groups.map(({ offset }) => offset), end]
}
