import { DatabaseSync } from 'node:sqlite'
import { hashOf, SetDigest, versionHash } from './digest.ts'
import { readMeta } from './meta.ts'
import type { StoredRow } from './row_cache.ts'
import { columnsOf, type RowSet, type SetState } from './row_set.ts'
import type { FileState, ProjectionStore } from './store.ts'

const ROWS_A_STEP = 2000
const ENTRY = ['revision', 'time', 'command', 'actor', 'actor_kind', 'command_id', 'cause'] as const
const REFERENCE = ['identity', 'kind', 'uid', 'field'] as const

type Row = Readonly<Record<string, string | number>>
type Version = Omit<StoredRow, 'data'> & { readonly data: string | null }
type Damage = Generator<void, readonly string[]>

/**
 * Reads everything again, on a connection and in a snapshot of its own: versions, entries and references are compared with their
 * digests, rows with their last versions, indexes with their tables. SQLite serves flipped bytes without noticing. Yields now and
 * then, and returns the tables that are damaged, with what is wrong where that is known.
 */
export function* scrub(store: ProjectionStore): Damage {
  const isShared = store.path === ':memory:'
  const database = isShared ? store.database : new DatabaseSync(store.path, { readOnly: true })
  const damaged: string[] = []
  try {
    if (!isShared) database.exec('BEGIN')
    for (const set of store.sets) {
      damaged.push(...(yield* attempt(set.name, scrubSet(database, set))))
      yield
    }
    const { entries, references } = JSON.parse(readMeta(database, 'state') ?? '{}') as Partial<FileState>
    damaged.push(...(yield* attempt('entry', scrubTable(database, 'entry', ENTRY, ['revision'], entries))))
    damaged.push(
      ...(yield* attempt('reference', scrubTable(database, 'reference', REFERENCE, REFERENCE, references))),
    )
  } catch (error) {
    damaged.push(`meta (${messageOf(error)})`)
  } finally {
    if (!isShared) database.close()
  }
  for (const [name, projection] of store.eventProjections)
    if (!(yield* projection.scrub())) damaged.push(name)
  return damaged
}

/** A table that cannot be read is damaged, too. */
function* attempt(table: string, steps: Damage): Damage {
  try {
    return yield* steps
  } catch (error) {
    return [`${table} (${messageOf(error)})`]
  }
}

function* scrubSet(database: DatabaseSync, { name, shape }: RowSet): Damage {
  const saved = JSON.parse(readMeta(database, `set ${name}`) ?? '{}') as Partial<SetState>
  const digest = new SetDigest()
  for (const row of readAll(database, `${name}.history`, `id, ${columnsOf(shape)}`, ['id'])) {
    if (row === undefined) yield
    else digest.add(hashOfVersion(name, row as unknown as Version))
  }
  if (digest.toString() !== (saved.digest ?? new SetDigest().toString())) return [`${name}.history`]
  const structure = [...structureOf(database, `${name}.history`), ...structureOf(database, name)]
  if (structure.length > 0) return structure
  return (yield* countSound(database, name)) === (saved.rows ?? 0) ? [] : [name]
}

/** How many rows are what their last version says. */
function* countSound(database: DatabaseSync, name: string): Generator<void, number> {
  const place = database
    .prepare(`SELECT name FROM pragma_table_info(?) WHERE name NOT IN ('key', 'revision', 'data')`)
    .all(name)
    .map((column) => `AND h.${String(column['name'])} = c.${String(column['name'])}`)
  const statement = database.prepare(
    `SELECT max(c.key) AS last, count(*) AS rows, count(h.id) AS sound
      FROM (SELECT * FROM "${name}" WHERE key > ? ORDER BY key LIMIT ${ROWS_A_STEP}) c LEFT JOIN "${name}.history" h
        ON h.id = (SELECT max(id) FROM "${name}.history" WHERE key = c.key)
          AND h.data = c.data AND h.revision = c.revision ${place.join(' ')}`,
  )
  let sound = 0
  for (let last: unknown = ''; typeof last === 'string'; ) {
    const step = statement.get(last)
    if (step?.['rows'] !== step?.['sound']) return -1
    sound += step?.['sound'] as number
    last = step?.['last']
    yield
  }
  return sound
}

function hashOfVersion(set: string, { key, revision, slice, project, name, data }: Version): Uint32Array {
  return versionHash(set, key, revision, slice, project, name, data)
}

function* scrubTable(
  database: DatabaseSync,
  table: string,
  columns: readonly string[],
  key: readonly string[],
  wanted: string | undefined,
): Damage {
  const digest = new SetDigest()
  for (const row of readAll(database, table, columns.join(', '), key)) {
    if (row === undefined) yield
    else digest.add(hashOf(table, ...columns.map((column) => row[column] ?? '')))
  }
  if (digest.toString() !== (wanted ?? new SetDigest().toString())) return [table]
  return structureOf(database, table)
}

/** All rows in the order of the key; undefined now and then, where others may have their turn. */
function* readAll(
  database: DatabaseSync,
  table: string,
  columns: string,
  key: readonly string[],
): Generator<Row | undefined> {
  const names = key.join(', ')
  const statement = database.prepare(
    `SELECT ${columns} FROM "${table}" WHERE (${names}) > (${key.map(() => '?').join(', ')}) ORDER BY ${names} LIMIT ${ROWS_A_STEP}`,
  )
  let cursor: readonly (string | number)[] = key.map((column) =>
    column === 'revision' || column === 'id' ? -1 : '',
  )
  for (;;) {
    const rows = statement.all(...cursor) as readonly Row[]
    yield* rows
    const last = rows.at(-1)
    if (last === undefined || rows.length < ROWS_A_STEP) return
    cursor = key.map((column) => last[column] as string | number)
    yield undefined
  }
}

/** What is wrong with the pages of a table, or between it and its indexes. */
function structureOf(database: DatabaseSync, table: string): readonly string[] {
  const found = database.prepare(`PRAGMA integrity_check("${table}")`).all()
  return found
    .map((row) => String(Object.values(row)[0]))
    .filter((problem) => problem !== 'ok')
    .slice(0, 1)
    .map((problem) => `${table} (${problem})`)
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}
