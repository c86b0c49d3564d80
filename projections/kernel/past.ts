import { reject } from '../../domains/kernel/rejection.ts'
import { parseMoment, revisionAt } from './moment.ts'
import type { ProjectionStore } from './store.ts'
import { firstVersionOf } from './version_id.ts'

const CHANGES_MAX = 10_000

/** An entry of the log, without its payload. */
export interface EntrySummary {
  readonly revision: number
  /** Milliseconds since 1970. */
  readonly time: number
  readonly command: string
  readonly actor: string
  readonly actorKind: string
  readonly commandId: string
  readonly cause: string
}

const ENTRY_COLUMNS =
  'e.revision, e.time, e.command, e.actor, e.actor_kind AS actorKind, e.command_id AS commandId, e.cause'

/** The entries from a revision on, oldest first. */
export function entries(
  store: ProjectionStore,
  from: number,
  limit: number,
  command: string | undefined,
): readonly EntrySummary[] {
  const sql = `SELECT ${ENTRY_COLUMNS} FROM entry e WHERE e.revision >= ? AND (? = '' OR e.command GLOB ?) ORDER BY e.revision LIMIT ?`
  return store.database
    .prepare(sql)
    .all(from, command ?? '', command ?? '', limit) as unknown as readonly EntrySummary[]
}

/** The entries that made a resource what it is, oldest first. Rejects with NOT_FOUND when there never was one of that name. */
export function why(
  store: ProjectionStore,
  kind: string,
  project: string,
  name: string,
): readonly EntrySummary[] {
  const versions = `"${store.set(kind).name}.history"`
  const latest = `SELECT key FROM ${versions} WHERE project = ? AND name = ? ORDER BY id DESC LIMIT 1`
  const uid = store.database.prepare(latest).get(project, name)?.['key'] as string | undefined
  if (uid === undefined) {
    const where = project === '' ? '' : ` in project ${project}`
    return reject('NOT_FOUND', `there never was a ${kind} ${name}${where}`, { kind, name })
  }
  const sql = `SELECT ${ENTRY_COLUMNS} FROM ${versions} h JOIN entry e USING (revision) WHERE h.key = ? ORDER BY h.id LIMIT ${CHANGES_MAX}`
  return store.database.prepare(sql).all(uid) as unknown as readonly EntrySummary[]
}

/** One resource at two moments; null where it was not there. */
export interface Difference {
  readonly kind: string
  readonly uid: string
  readonly before: Readonly<Record<string, unknown>> | null
  readonly after: Readonly<Record<string, unknown>> | null
}

export interface Differences {
  readonly from: number
  readonly to: number
  readonly differences: readonly Difference[]
  /** True when there are more than the bound of 10,000. */
  readonly truncated: boolean
}

/** What changed in the resources of some kinds between two moments, by kind, project and name. */
export function diff(
  store: ProjectionStore,
  kinds: readonly string[],
  from: string,
  to: string | undefined,
  now: number,
): Differences {
  const present = store.checkpoint.revision
  const start = revisionAt(store.database, parseMoment(from, now), present)
  const end =
    to === undefined || to === '' ? present : revisionAt(store.database, parseMoment(to, now), present)
  if (end < start)
    reject('INVALID_ARGUMENT', `the end (revision ${end}) is before the beginning (${start}): swap them`, {
      field: 'to',
    })
  const all: Difference[] = []
  for (const kind of kinds) all.push(...diffKind(store, kind, start, end, CHANGES_MAX + 1 - all.length))
  return { from: start, to: end, differences: all.slice(0, CHANGES_MAX), truncated: all.length > CHANGES_MAX }
}

/** At most so many, by project and name: of a resource that was renamed, by its last name. */
function diffKind(
  store: ProjectionStore,
  kind: string,
  from: number,
  to: number,
  limit: number,
): readonly Difference[] {
  const versions = `"${store.set(kind).name}.history"`
  const keys = store.database.prepare(
    `SELECT key, project, name, max(id) FROM ${versions} WHERE id >= ? AND id < ? GROUP BY key ORDER BY project, name, key LIMIT ?`,
  )
  const version = store.database.prepare(
    `SELECT data FROM ${versions} WHERE key = ? AND id < ? ORDER BY id DESC LIMIT 1`,
  )
  const asOf = (key: string, revision: number): Record<string, unknown> | null => {
    const data = version.get(key, firstVersionOf(revision + 1))?.['data'] as string | null | undefined
    return data === undefined || data === null ? null : (JSON.parse(data) as Record<string, unknown>)
  }
  return keys.all(firstVersionOf(from + 1), firstVersionOf(to + 1), limit).flatMap((row) => {
    const key = row['key'] as string
    const before = asOf(key, from)
    const after = asOf(key, to)
    return before === null && after === null ? [] : [{ kind, uid: key, before, after }]
  })
}
