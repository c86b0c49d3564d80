import { reject } from '../../domains/kernel/rejection.ts'
import { parseMoment, revisionAt } from './moment.ts'
import type { ProjectionStore } from './store.ts'

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

/** One version of a resource, with the entry that made it. */
export interface Version extends EntrySummary {
  /** Which fields are now what; null when the resource is gone. */
  readonly changed: Readonly<Record<string, { readonly from: unknown; readonly to: unknown }>> | null
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

/** Every version of a resource, oldest first: which commands made it so, and by whom. Rejects with NOT_FOUND. */
export function why(
  store: ProjectionStore,
  kind: string,
  project: string,
  name: string,
): readonly (Version & { readonly uid: string })[] {
  const versions = `"${store.set(kind).name}.history"`
  const uid = store.database
    .prepare(`SELECT key FROM ${versions} WHERE project = ? AND name = ? ORDER BY revision DESC LIMIT 1`)
    .get(project, name)?.['key'] as string | undefined
  if (uid === undefined)
    return reject(
      'NOT_FOUND',
      `there never was a ${kind} ${name}${project === '' ? '' : ` in project ${project}`}`,
      { kind, name },
    )
  const rows = store.database
    .prepare(
      `SELECT h.data, ${ENTRY_COLUMNS} FROM ${versions} h JOIN entry e USING (revision) WHERE h.key = ? ORDER BY h.revision LIMIT ${CHANGES_MAX}`,
    )
    .all(uid) as unknown as readonly (EntrySummary & { readonly data: string | null })[]
  let before: Readonly<Record<string, unknown>> = {}
  return rows.map(({ data, ...entry }) => {
    const after = data === null ? null : (JSON.parse(data) as Record<string, unknown>)
    const changed = after === null ? null : differences(before, after)
    before = after ?? {}
    return { ...entry, uid, changed }
  })
}

/** What changed in one resource between two moments. */
export interface Difference {
  readonly kind: string
  readonly uid: string
  readonly project: string
  readonly name: string
  readonly change: 'created' | 'updated' | 'deleted'
  readonly fields: Readonly<Record<string, { readonly from: unknown; readonly to: unknown }>>
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
  const all = kinds.flatMap((kind) => diffKind(store, kind, start, end))
  return { from: start, to: end, differences: all.slice(0, CHANGES_MAX), truncated: all.length > CHANGES_MAX }
}

function diffKind(store: ProjectionStore, kind: string, from: number, to: number): readonly Difference[] {
  const versions = `"${store.set(kind).name}.history"`
  const keys = store.database.prepare(
    `SELECT DISTINCT key, project, name FROM ${versions} WHERE revision > ? AND revision <= ? ORDER BY project, name, key LIMIT ${CHANGES_MAX + 1}`,
  )
  const version = store.database.prepare(
    `SELECT data FROM ${versions} WHERE key = ? AND revision <= ? ORDER BY revision DESC LIMIT 1`,
  )
  const asOf = (key: string, revision: number): Record<string, unknown> | undefined => {
    const data = version.get(key, revision)?.['data'] as string | null | undefined
    return data === undefined || data === null ? undefined : (JSON.parse(data) as Record<string, unknown>)
  }
  return keys.all(from, to).flatMap((row) => {
    const key = row['key'] as string
    const before = asOf(key, from)
    const after = asOf(key, to)
    if (before === undefined && after === undefined) return []
    const change = before === undefined ? 'created' : after === undefined ? 'deleted' : 'updated'
    const fields = differences(before ?? {}, after ?? {})
    return [
      {
        kind,
        uid: key,
        project: row['project'] as string,
        name: row['name'] as string,
        change,
        fields,
      } as const,
    ]
  })
}

/** Fields that say when and not what. */
const STAMPS = new Set(['revision', 'updatedAt', 'createdAt', 'createdRevision'])

function differences(
  before: Readonly<Record<string, unknown>>,
  after: Readonly<Record<string, unknown>>,
): Record<string, { from: unknown; to: unknown }> {
  const fields = [...new Set([...Object.keys(before), ...Object.keys(after)])].filter(
    (field) => !STAMPS.has(field),
  )
  const changed = fields.filter((field) => JSON.stringify(before[field]) !== JSON.stringify(after[field]))
  return Object.fromEntries(
    changed.map((field) => [field, { from: before[field] ?? null, to: after[field] ?? null }]),
  )
}
