import { describeInput, describeOutput } from './describe.ts'
import { type KvOperation, writesIn } from './operations.ts'

const PROBLEMS_MAX = 20

/** An answer with the store's revision. */
export interface Told {
  readonly what: string
  readonly call: number
  readonly end: number
  readonly revision: number
  /** It made the revision: nobody else has, and nobody was told of it before. */
  readonly isOwn: boolean
  /** It may be of an older state. */
  readonly isStale: boolean
}

export function toldBy(operations: readonly KvOperation[]): readonly Told[] {
  return operations.flatMap(({ client, call, end, input, output }): Told[] => {
    if (output === undefined || !('revision' in output)) return []
    const what = `client ${client}: ${describeInput(input)} → ${describeOutput(output)}`
    const { revision } = output
    return [{ what, call, end, revision, isOwn: writesIn(output), isStale: false }]
  })
}

/**
 * Whether the revisions that clients were told, of whatever keys, are of one order: no two writes have the same, and what is called after
 * an answer is told no lower one, a write a higher one.
 */
export function revisionProblems(told: readonly Told[]): readonly string[] {
  const problems: string[] = []
  const owners = new Map<number, Told>()
  for (const each of told) {
    if (!each.isOwn) continue
    const other = owners.get(each.revision)
    if (other !== undefined) problems.push(`two writes have one revision: ${other.what}; ${each.what}`)
    owners.set(each.revision, each)
  }
  const byEnd = told.toSorted((a, b) => a.end - b.end)
  let highest: Told | undefined
  let ended = 0
  for (const each of told.toSorted((a, b) => a.call - b.call)) {
    for (; ended < byEnd.length; ended++) {
      const before = byEnd[ended] as Told
      if (before.end >= each.call) break
      if (highest === undefined || before.revision > highest.revision) highest = before
    }
    if (highest === undefined || each.isStale) continue
    const isLow = each.isOwn ? each.revision <= highest.revision : each.revision < highest.revision
    if (isLow) problems.push(`a revision goes back: first ${highest.what}; later ${each.what}`)
  }
  return problems.slice(0, PROBLEMS_MAX)
}
