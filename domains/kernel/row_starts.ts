import { mkdir, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { verifyTable } from './level_table.ts'

/** Its size says how many starts have not closed the rows; one that ended before it had loaded them counts twice. Its bytes mean nothing. */
const FILE = 'unclosed'

/** How many starts since the last that closed the rows. */
export async function unclosedStarts(directory: string): Promise<number> {
  const found = await stat(join(directory, FILE)).catch(absent)
  return found?.size ?? 0
}

/** Zero when the rows are closed. */
export async function setUnclosedStarts(directory: string, count: number): Promise<void> {
  await mkdir(directory, { recursive: true })
  const path = join(directory, FILE)
  if (count === 0) await rm(path, { force: true })
  else await writeFile(path, Buffer.alloc(count))
}

/**
 * What is damaged in LevelDB's tables in a directory: of that alone LevelDB, which verifies no block that it reads, may make a failed
 * assertion. `goesOn` is called every few milliseconds; nothing more is verified once it resolves with false.
 */
export async function damageOfTables(
  directory: string,
  goesOn: () => Promise<boolean>,
): Promise<string | undefined> {
  const names = (await readdir(directory).catch(absent)) ?? []
  for (const name of names.filter((each) => each.endsWith('.ldb'))) {
    const table = await readFile(join(directory, name)).catch(absent)
    if (table === undefined) continue
    if (!(await goesOn())) return undefined
    try {
      for (const _ of verifyTable(table)) if (!(await goesOn())) return undefined
    } catch (error) {
      return `${name} is damaged: ${(error as Error).message}`
    }
  }
  return undefined
}

/** LevelDB removes files that it has merged. */
function absent(error: NodeJS.ErrnoException): undefined {
  if (error.code !== 'ENOENT') throw error
  return undefined
}
