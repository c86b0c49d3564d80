import { cp, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import type { Bug } from '../sim/bugs/bug.ts'
import { sownText } from '../sim/bugs/sow.ts'
import type { Explored } from './explorer.ts'

const root = join(import.meta.dirname, '..', '..')
const copied = ['log', 'proofs/crash', 'proofs/sim/random.ts', 'package.json']

interface ExplorerModule {
  readonly Explorer: new (seed: number, crashesMax: number) => { run(): Promise<Explored> }
}

/**
 * Copies the log and the explorer to a temporary directory, sows the bug there, and gives `use` an exploration that runs the copy.
 * Throws RangeError when the bug no longer fits the source.
 */
export async function withStorageBug<T>(
  bug: Bug | null,
  use: (explore: (seed: number, crashesMax: number) => Promise<Explored>) => Promise<T>,
): Promise<T> {
  const directory = await mkdtemp(join(tmpdir(), 'sown-storage-bug-'))
  try {
    const filter = (path: string): boolean => !path.endsWith('.test.ts')
    for (const path of copied) await cp(join(root, path), join(directory, path), { recursive: true, filter })
    await symlink(join(root, 'node_modules'), join(directory, 'node_modules'))
    if (bug !== null) await writeFile(join(directory, bug.file), sownText(bug))
    const url = pathToFileURL(join(directory, 'proofs/crash/explorer.ts')).href
    const { Explorer } = (await import(url)) as ExplorerModule
    return await use((seed, crashesMax) => new Explorer(seed, crashesMax).run())
  } finally {
    await rm(directory, { recursive: true, force: true })
  }
}

export interface StorageHunt {
  readonly bug: string
  /** Crashes until it was found; null when it was not found within the bound. */
  readonly crashes: number | null
  readonly message: string
}

/** Explores with the bug sown, seed after seed, until something fails. */
export async function huntStorageBug(bug: Bug, seed: number, crashesMax: number): Promise<StorageHunt> {
  return withStorageBug(bug, async (explore) => {
    let crashes = 0
    for (let next = seed; crashes < crashesMax; next += 1) {
      const found = await explore(next, Math.min(1000, crashesMax - crashes))
      crashes += found.crashes
      if (found.failure !== undefined) return { bug: bug.name, crashes, message: found.failure }
    }
    return { bug: bug.name, crashes: null, message: '' }
  })
}
