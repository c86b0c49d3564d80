import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { allBugs } from './all.ts'
import { hunt } from './hunt.ts'
import {
  invariantsOf,
  invariantsTable,
  type Measured,
  markdownTable,
  medianSeeds,
  withTable,
} from './table.ts'

const document = join(import.meta.dirname, '..', '..', '..', 'docs', 'simulation.md')
const resultDirectory = join('work', 'sim-bugs', 'latest')
/** Far from each other, so that no seed is run twice. */
const firsts = [0, 1_000_000, 2_000_000]

interface Options {
  readonly seedsMax: number
  /** Part of a name. */
  readonly only: string
  /** Puts the table into the document. */
  readonly writes: boolean
}

/** Hunts every known bug from several starts, and says how many seeds it took. Resolves to the exit code. */
export async function measureBugs({ seedsMax, only, writes }: Options): Promise<number> {
  const started = performance.now()
  const measured: Measured[] = []
  for (const bug of allBugs.filter(({ name }) => name.includes(only))) {
    const row = { bug, hunts: await hunt(bug, firsts, seedsMax) }
    measured.push(row)
    const found = row.hunts.map(({ seeds }) => seeds ?? 'not found').join(', ')
    console.log(`${bug.name}: ${found} seeds; ${invariantsOf(row).join(', ')}`)
  }
  const missed = measured.filter((row) => medianSeeds(row) === null).map(({ bug }) => bug.name)
  const milliseconds = Math.round(performance.now() - started)
  const success = missed.length === 0
  const rows = measured.map((row) => ({ bug: row.bug.name, median: medianSeeds(row), hunts: row.hunts }))
  mkdirSync(resultDirectory, { recursive: true })
  const result = { success, bugs: measured.length, missed, milliseconds, rows }
  writeFileSync(join(resultDirectory, 'result.json'), `${JSON.stringify(result, null, 2)}\n`)
  if (writes) writeTables(markdownTable(measured))
  console.log(`${measured.length} bugs, ${missed.length} not found, ${milliseconds} ms`)
  return success ? 0 : 1
}

function writeTables(bugs: string): void {
  const text = withTable(readFileSync(document, 'utf8'), 'invariants', invariantsTable())
  writeFileSync(document, withTable(text, 'bugs', bugs))
}
