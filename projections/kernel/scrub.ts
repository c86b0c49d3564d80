import { DatabaseSync } from 'node:sqlite'
import { columns, hashOf, rowHash, SetDigest } from './digest.ts'
import { readMeta } from './meta.ts'
import type { SetDigests } from './row_set.ts'
import type { ProjectionStore } from './store.ts'

const ROWS_A_STEP = 2000
const ENTRY = ['revision', 'time', 'command', 'actor', 'actor_kind', 'command_id', 'cause'] as const
const REFERENCE = ['target', 'kind', 'uid', 'field'] as const

type Row = Readonly<Record<string, string | number>>

interface Table {
  readonly name: string
  readonly columns: readonly string[]
  readonly key: readonly string[]
  readonly where?: string
  readonly digest: string
  readonly hash: (row: Row) => bigint
}

/**
 * Reads everything again, on a connection and in a snapshot of its own: rows and versions, entries and references are compared with
 * their digests, indexes with their tables. SQLite serves flipped bytes without noticing. Yields now and then, and returns
 * the tables that are damaged, with what is wrong where that is known.
 */
export function* scrub(store: ProjectionStore): Generator<void, readonly string[]> {
  const isShared = store.path === ':memory:'
  const database = isShared ? store.database : new DatabaseSync(store.path, { readOnly: true })
  const damaged: string[] = []
  try {
    if (!isShared) database.exec('BEGIN')
    for (const table of tablesOf(database, store)) {
      try {
        if ((yield* digestOf(database, table)) !== table.digest) damaged.push(table.name)
        else damaged.push(...structureOf(database, table.name))
      } catch (error) {
        damaged.push(`${table.name} (${error instanceof Error ? error.message : String(error)})`)
      }
      yield
    }
  } catch (error) {
    damaged.push(`meta (${error instanceof Error ? error.message : String(error)})`)
  } finally {
    if (!isShared) database.close()
  }
  for (const [name, projection] of store.eventProjections)
    if (!(yield* projection.scrub())) damaged.push(name)
  return damaged
}

function* tablesOf(database: DatabaseSync, store: ProjectionStore): Generator<Table> {
  const sets = JSON.parse(readMeta(database, 'digests') ?? '{}') as Record<string, SetDigests>
  const others = JSON.parse(readMeta(database, 'others') ?? '{}') as Record<string, string>
  const nothing = new SetDigest().toString()
  for (const { name } of store.sets) {
    const { digest = nothing, historyDigest = nothing } = sets[name] ?? {}
    const hash = (row: Row): bigint => rowHash(name, row)
    yield { name, columns, key: ['key'], digest, hash }
    const key = ['key', 'revision']
    yield { name: `${name}.history`, columns, key, where: 'data IS NOT NULL', digest: historyDigest, hash }
  }
  for (const [name, its, key] of [
    ['entry', ENTRY, ['revision']],
    ['reference', REFERENCE, REFERENCE],
  ] as const) {
    const hash = (row: Row): bigint => hashOf(name, ...its.map((column) => row[column] ?? ''))
    yield { name, columns: its, key, digest: others[name] ?? nothing, hash }
  }
}

function* digestOf(database: DatabaseSync, table: Table): Generator<void, string> {
  const digest = new SetDigest()
  const key = table.key.join(', ')
  const where = table.where === undefined ? '' : `${table.where} AND `
  const statement = database.prepare(
    `SELECT ${table.columns.join(', ')} FROM "${table.name}" WHERE ${where}(${key}) > (${table.key.map(() => '?').join(', ')}) ORDER BY ${key} LIMIT ${ROWS_A_STEP}`,
  )
  let cursor: readonly (string | number)[] = table.key.map((column) => (column === 'revision' ? -1 : ''))
  for (;;) {
    const rows = statement.all(...cursor) as readonly Row[]
    for (const row of rows) digest.add(table.hash(row))
    const last = rows.at(-1)
    if (last === undefined || rows.length < ROWS_A_STEP) return digest.toString()
    cursor = table.key.map((column) => last[column] as string | number)
    yield
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
