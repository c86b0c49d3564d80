import { History } from '../history.ts'
import { allInvariants } from '../invariants/all.ts'
import type { Bug } from './bug.ts'
import type { Hunt } from './hunt.ts'

export interface Measured {
  readonly bug: Bug
  readonly hunts: readonly Hunt[]
}

/** The middle one of the seeds that it took; null when it was not found from more than half of the starts. */
export function medianSeeds({ hunts }: Measured): number | null {
  const seeds = hunts.map((hunt) => hunt.seeds ?? Number.POSITIVE_INFINITY).sort((a, b) => a - b)
  const median = seeds[Math.floor(seeds.length / 2)]
  return median === undefined || !Number.isFinite(median) ? null : median
}

/** What caught it, the most frequent first. */
export function invariantsOf({ hunts }: Measured): string[] {
  const counts = new Map<string, number>()
  for (const { invariant, seeds } of hunts) {
    if (seeds !== null) counts.set(invariant, (counts.get(invariant) ?? 0) + 1)
  }
  return [...counts].sort((left, right) => right[1] - left[1]).map(([name]) => name)
}

export function markdownTable(measured: readonly Measured[]): string {
  const rows = measured.map((row) => {
    const { bug, hunts } = row
    const all = hunts.map(({ seeds }) => seeds ?? '—').join(', ')
    return `| ${bug.name} | ${bug.breaks} | ${invariantsOf(row).join(', ')} | ${medianSeeds(row) ?? '—'} | ${all} |`
  })
  const head = '| bug | property broken | caught by | seeds, median | from each start |'
  return [head, '| --- | --- | --- | ---: | --- |', ...rows, ''].join('\n')
}

/** The invariants there are, with what they check. */
export function invariantsTable(): string {
  const rows = allInvariants(new History(), 3, () => []).map(
    ({ name, property }) => `| ${name} | ${property} |`,
  )
  return ['| invariant | property |', '| --- | --- |', ...rows, ''].join('\n')
}

/** The document with the table between the marks of `name` replaced. Throws RangeError when there are none. */
export function withTable(document: string, name: string, table: string): string {
  const { before, after } = partsOf(document, name)
  return `${before}\n${table}\n${after}`
}

/** The first cells of the table between the marks of `name`, in its order. */
export function namesInTable(document: string, name: string): string[] {
  const { table } = partsOf(document, name)
  return [...table.matchAll(/^\| (.*?) \|/gm)].map(([, cell = '']) => cell).slice(2)
}

function partsOf(document: string, name: string): { before: string; table: string; after: string } {
  const begin = `<!-- ${name} -->\n`
  const end = `<!-- end of ${name} -->\n`
  const from = document.indexOf(begin) + begin.length
  const to = document.indexOf(end)
  if (!document.includes(begin) || to < from) throw new RangeError(`the document has no place for ${name}`)
  return { before: document.slice(0, from), table: document.slice(from, to), after: document.slice(to) }
}
