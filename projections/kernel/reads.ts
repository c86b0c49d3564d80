import type { SQLInputValue } from 'node:sqlite'
import { reject } from '../../domains/kernel/rejection.ts'
import { parseMoment, revisionAt } from './moment.ts'
import { type PageToken, pageTokenText, parsePageToken } from './page_token.ts'
import type { ProjectionStore } from './store.ts'
import { firstVersionOf } from './version_id.ts'

const PAGE_DEFAULT = 100
const PAGE_MAX = 1000

export interface ReadQuery {
  /** `domain.resource`. */
  readonly kind: string
  readonly project?: string | undefined
  /**
   * What a restricted actor may see: rows of these projects (of kinds with a scope), or of these names (of projects and
   * organizations), and of each only rows that were created at or after a revision.
   */
  readonly visible?:
    | { readonly column: 'project' | 'name'; readonly since: Readonly<Record<string, number>> }
    | undefined
  readonly name?: string | undefined
  readonly uid?: string | undefined
  /** Equality: `label.<key>` for a label, else a field of the row. */
  readonly filter?: Readonly<Record<string, string>> | undefined
  readonly at?: string | undefined
  readonly pageSize?: number | undefined
  readonly pageToken?: string | undefined
  /** Milliseconds since 1970, for `2h`. */
  readonly now: number
}

export interface ReadAnswer {
  /** The revision that the rows are shown as of. */
  readonly revision: number
  readonly history: string
  readonly rows: readonly Readonly<Record<string, unknown>>[]
  /** '' on the last page. */
  readonly nextPageToken: string
}

/** The rows of a kind, now or as of a moment, in the order of project, name and uid. Rejects for a bad query. */
export function read(store: ProjectionStore, query: ReadQuery): ReadAnswer {
  const { revision: present, history } = store.checkpoint
  const token =
    query.pageToken === undefined || query.pageToken === '' ? undefined : parsePageToken(query.pageToken)
  if (token !== undefined && token.history !== history)
    reject('HISTORY_MISMATCH', 'the page token belongs to another history: read from the first page', {})
  if (token !== undefined && token.revision > present)
    reject(
      'REVISION_UNKNOWN',
      `revision ${token.revision} has not come here yet: this member shows ${present}`,
      {
        revision: present,
      },
    )
  const at =
    query.at === undefined || query.at === ''
      ? undefined
      : revisionAt(store.database, parseMoment(query.at, query.now), present)
  const revision = token?.revision ?? at ?? present
  const size = pageSize(query.pageSize)
  const past = revision < present
  const conditions: string[] = []
  const values: SQLInputValue[] = []
  const where = (condition: string, ...bound: SQLInputValue[]): void => {
    conditions.push(condition)
    values.push(...bound)
  }
  const { project = isOfProjects(store, query.kind) ? undefined : '' } = query
  if (project !== undefined) where('r.project = ?', project)
  if (query.visible !== undefined) {
    const { column, since } = query.visible
    const names = JSON.stringify(since)
    where(`r.${column} IN (SELECT key FROM json_each(?))`, names)
    where(
      `json_extract(r.data, '$.createdRevision') >= (SELECT value FROM json_each(?) WHERE key = r.${column})`,
      names,
    )
  }
  if (query.name !== undefined) where('r.name = ?', query.name)
  if (query.uid !== undefined) where('r.key = ?', query.uid)
  for (const [field, value] of Object.entries(query.filter ?? {}))
    addFilter(store, query.kind, field, value, where)
  if (token !== undefined) where('(r.project, r.name, r.key) > (?, ?, ?)', ...token.after)
  const table = `"${store.set(query.kind).name}"`
  const versions = `"${query.kind}.history"`
  const from = past
    ? `(SELECT key, project, name, data, max(id) FROM ${versions} WHERE id < ${firstVersionOf(revision + 1)} GROUP BY key HAVING data IS NOT NULL)`
    : table
  const sql = `SELECT r.key, r.project, r.name, r.data FROM ${from} r ${conditions.length > 0 ? `WHERE ${conditions.join(' AND ')}` : ''}
    ORDER BY r.project, r.name, r.key LIMIT ${size + 1}`
  const found = store.database.prepare(sql).all(...values)
  const page = found.slice(0, size)
  const last = page.at(-1)
  const next: PageToken | undefined =
    found.length > size && last !== undefined
      ? {
          history,
          revision,
          after: [last['project'] as string, last['name'] as string, last['key'] as string],
        }
      : undefined
  return {
    revision,
    history,
    rows: page.map((row) => JSON.parse(row['data'] as string) as Record<string, unknown>),
    nextPageToken: next === undefined ? '' : pageTokenText(next),
  }
}

function isOfProjects(store: ProjectionStore, kind: string): boolean {
  return store.registry.kinds.get(kind)?.resource.scope === 'project'
}

function pageSize(wanted: number | undefined): number {
  if (wanted === undefined || wanted === 0) return PAGE_DEFAULT
  if (!Number.isInteger(wanted) || wanted < 1 || wanted > PAGE_MAX)
    reject('INVALID_ARGUMENT', `a page holds 1 to ${PAGE_MAX} rows, not ${wanted}`, { field: 'pageSize' })
  return wanted
}

function addFilter(
  store: ProjectionStore,
  kind: string,
  field: string,
  value: string,
  where: (condition: string, ...bound: SQLInputValue[]) => void,
): void {
  const message = store.registry.kinds.get(kind)?.resource.message
  if (field.startsWith('label.')) {
    where(
      'EXISTS (SELECT 1 FROM json_each(r.data, ?) j WHERE j.key = ? AND j.value = ?)',
      '$.labels',
      field.slice(6),
      value,
    )
    return
  }
  if (message === undefined || !Object.hasOwn(message.fields, field)) {
    reject(
      'INVALID_ARGUMENT',
      `${kind} has no field ${field}; filter by ${Object.keys(message?.fields ?? {}).join(', ')} or label.<key>`,
      { field },
    )
  }
  where(
    `CASE json_type(r.data, ?) WHEN 'true' THEN 'true' WHEN 'false' THEN 'false' ELSE CAST(json_extract(r.data, ?) AS TEXT) END = ?`,
    `$.${field}`,
    `$.${field}`,
    value,
  )
}
