import type { DatabaseSync } from 'node:sqlite'
import { reject } from '../../domains/kernel/rejection.ts'

const UNITS: Readonly<Record<string, number>> = {
  s: 1000,
  m: 60_000,
  h: 3_600_000,
  d: 86_400_000,
  w: 604_800_000,
}

/** Where a read travels to. */
export type Moment = { readonly revision: number } | { readonly time: number }

/**
 * Reads a moment as people write it: a revision (`4711`), a time (RFC 3339), or how long ago (`2h`, `30m`, `7d`).
 * Times are in milliseconds since 1970. Rejects with INVALID_ARGUMENT.
 */
export function parseMoment(text: string, now: number): Moment {
  if (/^\d{1,15}$/.test(text)) return { revision: Number(text) }
  const ago = /^(\d{1,9})([smhdw])$/.exec(text)
  if (ago !== null) return { time: now - Number(ago[1]) * (UNITS[ago[2] as string] as number) }
  const time = /^\d{4}-\d\d-\d\d([Tt ]|$)/.test(text) ? Date.parse(text) : Number.NaN
  if (!Number.isNaN(time)) return { time }
  return reject(
    'INVALID_ARGUMENT',
    `${JSON.stringify(text)} is no moment: give a revision (4711), a time (2026-01-31T08:00:00Z) or how long ago (2h)`,
    { field: 'at' },
  )
}

/** The last revision at a moment. Rejects with REVISION_UNKNOWN for one that has not come, or that was before the log began. */
export function revisionAt(database: DatabaseSync, moment: Moment, checkpoint: number): number {
  if ('revision' in moment) {
    if (moment.revision > checkpoint)
      reject(
        'REVISION_UNKNOWN',
        `revision ${moment.revision} has not come yet: this member shows ${checkpoint}`,
        { revision: checkpoint },
      )
    return moment.revision
  }
  return (
    lastAt(database, moment.time, checkpoint) ??
    reject('REVISION_UNKNOWN', `${new Date(moment.time).toISOString()} is before the log began`)
  )
}

/** Times never go back, so that the order of revisions is theirs: it takes no index of times, but as many steps as a number has bits. */
function lastAt(database: DatabaseSync, time: number, checkpoint: number): number | undefined {
  const before = database.prepare(
    'SELECT revision, time FROM entry WHERE revision <= ? ORDER BY revision DESC LIMIT 1',
  )
  let found: number | undefined
  let low = 1
  let high = checkpoint
  while (low <= high) {
    const middle = Math.floor((low + high) / 2)
    const entry = before.get(middle)
    if (entry === undefined || (entry['time'] as number) <= time) {
      found = (entry?.['revision'] as number | undefined) ?? found
      low = middle + 1
    } else {
      high = (entry['revision'] as number) - 1
    }
  }
  return found
}
