import { cpSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import type { SimulationOptions } from '../options.ts'
import type { SimulationResult } from '../sim.ts'
import type { Bug, SownBug } from './bug.ts'

type Run = (seed: number, options: SimulationOptions) => SimulationResult

const root = join(import.meta.dirname, '..', '..', '..')
const folders = [
  'log/raft',
  'proofs/sim',
  'proofs/sim/bugs',
  'proofs/sim/disk',
  'proofs/sim/faults',
  'proofs/sim/invariants',
]
/** Besides, what the command needs. */
const USAGE = 'proofs/usage.ts'

/**
 * Copies the core and the simulation to a temporary directory, sows the bug there, and gives `use` the simulation that
 * runs the copy, and where it is. Throws RangeError when the bug no longer fits the source.
 */
export async function withBug<T>(bug: Bug | null, use: (run: Run, directory: string) => T): Promise<T> {
  const directory = mkdtempSync(join(tmpdir(), 'sown-bug-'))
  try {
    for (const folder of folders) copySources(folder, directory)
    cpSync(join(root, USAGE), join(directory, USAGE))
    writeFileSync(join(directory, 'package.json'), '{"type":"module"}\n')
    if (bug !== null) writeFileSync(join(directory, bug.file), sownText(bug))
    const module = (await import(pathToFileURL(join(directory, 'proofs/sim/sim.ts')).href)) as { run: Run }
    return use(module.run, directory)
  } finally {
    rmSync(directory, { recursive: true, force: true })
  }
}

function copySources(folder: string, directory: string): void {
  mkdirSync(join(directory, folder), { recursive: true })
  for (const file of readdirSync(join(root, folder))) {
    const isSource = file.endsWith('.ts') && !file.endsWith('.test.ts')
    if (isSource) cpSync(join(root, folder, file), join(directory, folder, file))
  }
}

/** The text of the file with the bug in it. Throws RangeError when the bug no longer fits the source. */
export function sownText(bug: SownBug): string {
  const parts = readFileSync(join(root, bug.file), 'utf8').split(bug.find)
  if (parts.length !== 2) {
    throw new RangeError(`${bug.name}: its place occurs ${parts.length - 1} times in ${bug.file}, not once`)
  }
  return parts.join(bug.replace)
}
