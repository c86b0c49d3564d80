import type { Bug } from './bug.ts'
import type { Hunt } from './hunt.ts'

export interface Measured {
  readonly bug: Bug
  readonly hunts: readonly Hunt[]
}

const begins = '<!-- bugs -->\n'
const ends = '<!-- end of bugs -->\n'

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

/** The document with its table replaced. Throws RangeError when it has no place for one. */
export function withTable(document: string, table: string): string {
  const [before, rest] = split(document, begins)
  const [, after] = split(rest, ends)
  return `${before}${begins}\n${table}\n${ends}${after}`
}

/** The bugs that the document's table names, in its order. */
export function namesInTable(document: string): string[] {
  const [, rest] = split(document, begins)
  const [table] = split(rest, ends)
  return [...table.matchAll(/^\| (.*?) \|/gm)].map(([, name = '']) => name).slice(2)
}

function split(text: string, mark: string): [string, string] {
  const position = text.indexOf(mark)
  if (position < 0) throw new RangeError(`the document has no ${mark.trim()}`)
  return [text.slice(0, position), text.slice(position + mark.length)]
}
