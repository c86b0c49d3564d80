import { pairs, table } from '../../edges/cli/table.ts'
import type { Replayed } from './replay.ts'

/** What is known of a replayed backup, for programs. Digests come in the order of the projections. */
export function replayedDocument(replayed: Replayed): Readonly<Record<string, unknown>> {
  const { head, end, revision, time, firstTime, history, digests, differing } = replayed
  return {
    revision,
    history,
    entries: end.entries,
    firstTime,
    time,
    createdAt: head.createdAt,
    clusterId: head.clusterId,
    digests,
    recorded: end.digests,
    differing: differing ?? null,
  }
}

/** The same for a person. */
export function replayedLines(replayed: Replayed, heading: (text: string) => string): readonly string[] {
  const { head, end, revision, time, firstTime, history, digests, differing } = replayed
  const part = revision === head.revision ? '' : ` of ${head.revision}`
  const facts = pairs(
    [
      ['revision', `${revision}${part}`],
      ['history', history],
      ['cluster', head.clusterId],
      ['entries', String(end.entries)],
      ['from', iso(firstTime)],
      ['to', iso(time)],
      ['made', iso(head.createdAt)],
    ],
    '',
  )
  const rows = digests.map(({ projection, digest }) => [projection, digest, verdict(projection, differing)])
  return [...facts, '', ...table(['PROJECTION', 'DIGEST', ''], rows, heading)]
}

function verdict(projection: string, differing: readonly string[] | undefined): string {
  if (differing === undefined) return 'not compared'
  return differing.includes(projection) ? 'DIFFERS' : 'as recorded'
}

/** Milliseconds since 1970 as RFC 3339, to the millisecond. */
export function iso(milliseconds: number): string {
  return new Date(milliseconds).toISOString()
}
