import { reject } from '../../domains/kernel/rejection.ts'
import { columnsOf, type RowSet } from './row_set.ts'
import type { ProjectionStore } from './store.ts'
import { firstVersionOf } from './version_id.ts'

/** Rows in one batch of a feed, at most. */
const BATCH_ROWS = 500

export interface FeedQuery {
  readonly projection: string
  readonly slice: string
  /** Where the follower is: 0 for nothing yet. */
  readonly fromRevision: number
  /** The history that the follower has seen; '' for none. */
  readonly history: string
  /** Goes on with a snapshot that was cut into batches: the last key of the batch before, and the snapshot's revision. */
  readonly after?: { readonly key: string; readonly revision: number } | undefined
}

export interface FeedBatch {
  readonly history: string
  /** Once the batch with `more` false is applied, the follower is at this revision. */
  readonly revision: number
  /** True for the first batch of a snapshot: the follower forgets what it had. */
  readonly reset: boolean
  /** True when the next batch belongs to the same revision. */
  readonly more: boolean
  readonly changes: readonly {
    readonly key: string /** JSON; null when the row is gone. */
    readonly data: string | null
  }[]
}

/** A follower's next batch: a snapshot for one that is new or of another history, else the changes since where it is. */
export function feedBatch(store: ProjectionStore, query: FeedQuery): FeedBatch {
  const { revision, history } = store.checkpoint
  const set = store.set(query.projection)
  const why = store.quarantined.get(set.name)
  if (why !== undefined) reject('UNAVAILABLE', `projection ${set.name} is quarantined: ${why}`, {})
  if (query.history === history && query.fromRevision > 0)
    return changesSince(store, set, query, revision, history)
  const pinned = query.after?.revision ?? revision
  const sql =
    pinned < revision
      ? `SELECT key, data, max(id) FROM (${versionsOf(set)}) WHERE slice = ? AND key > ? AND id < ${firstVersionOf(pinned + 1)}
          GROUP BY key HAVING data IS NOT NULL ORDER BY key LIMIT ?`
      : `SELECT key, data FROM (${rowsOf(set)}) WHERE ${inSlice(query)} AND key > ? ORDER BY key LIMIT ?`
  const rows = store.database
    .prepare(sql)
    .all(query.slice, query.after?.key ?? '', BATCH_ROWS + 1) as unknown as readonly {
    key: string
    data: string
  }[]
  return {
    history,
    revision: pinned,
    reset: query.after === undefined,
    more: rows.length > BATCH_ROWS,
    changes: rows.slice(0, BATCH_ROWS).map(({ key, data }) => ({ key, data })),
  }
}

/** The rows of resources are in no slice. */
function rowsOf({ name, shape }: RowSet): string {
  return `SELECT ${columnsOf(shape)} FROM "${name}"`
}

function versionsOf({ name, shape }: RowSet): string {
  return `SELECT id, ${columnsOf(shape)} FROM "${name}.history"`
}

/** The indexes by slice leave out what is in none: SQLite must be told that they hold all that is asked for. */
function inSlice({ slice }: FeedQuery): string {
  return slice === '' ? 'slice = ?' : `slice = ? AND slice <> ''`
}

function changesSince(
  store: ProjectionStore,
  set: RowSet,
  query: FeedQuery,
  revision: number,
  history: string,
): FeedBatch {
  if (query.fromRevision > revision) {
    reject(
      'REVISION_UNKNOWN',
      `the follower is at revision ${query.fromRevision}, which has not come here yet: this member shows ${revision}`,
      { revision },
    )
  }
  const sql = `SELECT key, revision, data FROM (${versionsOf(set)}) WHERE ${inSlice(query)} AND id > ? ORDER BY id LIMIT ?`
  const from =
    query.after === undefined
      ? firstVersionOf(query.fromRevision + 1) - 1
      : versionOf(store, set, query.after.key, query.after.revision)
  const found = store.database.prepare(sql).all(query.slice, from, BATCH_ROWS + 1) as unknown as readonly {
    key: string
    revision: number
    data: string | null
  }[]
  const changes = (rows: typeof found): FeedBatch['changes'] => rows.map(({ key, data }) => ({ key, data }))
  const beyond = found[BATCH_ROWS]
  if (beyond === undefined) return { history, revision, reset: false, more: false, changes: changes(found) }
  // A batch ends where a revision does: a follower gets on, and keeps nothing back, while changes go on coming.
  const whole = found.filter((row) => row.revision < beyond.revision)
  const last = whole.at(-1)
  if (last !== undefined)
    return { history, revision: last.revision, reset: false, more: false, changes: changes(whole) }
  const part = found.slice(0, BATCH_ROWS)
  return { history, revision: beyond.revision, reset: false, more: true, changes: changes(part) }
}

/** The id of a row's version at a revision. */
function versionOf(store: ProjectionStore, { name }: RowSet, key: string, revision: number): number {
  const found = store.database
    .prepare(`SELECT id FROM "${name}.history" WHERE key = ? AND id >= ? AND id < ?`)
    .get(key, firstVersionOf(revision), firstVersionOf(revision + 1))
  return (found?.['id'] as number | undefined) ?? firstVersionOf(revision) - 1
}
