import { DatabaseSync } from 'node:sqlite'
import { hashOf, SetDigest, versionHash } from './digest.ts'
import { readMeta } from './meta.ts'
import { columnsOf, type RowSet, type SetState, type StoredRow } from './row_set.ts'
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
  const history = new SetDigest()
  const latest = new SetDigest()
  let last: Version | undefined
  for (const version of readAll(database, `${name}.history`, columnsOf(shape), ['key', 'revision'])) {
    if (version === undefined) {
      yield
      continue
    }
    const row = version as unknown as Version
    history.add(hashOfVersion(name, row))
    if (last !== undefined && last.data !== null && last.key !== row.key)
      latest.add(hashOfVersion(name, last))
    last = row
  }
  if (last !== undefined && last.data !== null) latest.add(hashOfVersion(name, last))
  if (history.toString() !== (saved.digest ?? new SetDigest().toString())) return [`${name}.history`]
  const current = new SetDigest()
  for (const row of readAll(database, name, columnsOf(shape), ['key'])) {
    if (row === undefined) yield
    else current.add(hashOfVersion(name, row as unknown as Version))
  }
  if (current.toString() !== latest.toString()) return [name]
  return [...structureOf(database, `${name}.history`), ...structureOf(database, name)]
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
  let cursor: readonly (string | number)[] = key.map((column) => (column === 'revision' ? -1 : ''))
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
