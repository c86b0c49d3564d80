import { rowHash, SetDigest } from './digest.ts'
import type { ProjectionStore } from './store.ts'

const ROWS_A_STEP = 2000

/** Reads every row and every version again and compares them with the digests: SQLite serves flipped bytes without noticing. Yields now and then; returns what is damaged. */
export function* scrub(store: ProjectionStore): Generator<void, readonly string[]> {
  const damaged: string[] = []
  for (const set of store.sets) {
    const { digest, historyDigest } = set.digests
    const { revision } = store.checkpoint
    const current = yield* digestOf(
      store,
      set.name,
      `SELECT key, revision, data FROM "${set.name}" WHERE key > ? ORDER BY key LIMIT ${ROWS_A_STEP}`,
      (row) => [row.key],
    )
    const versions = yield* digestOf(
      store,
      set.name,
      `SELECT key, revision, data FROM "${set.name}.history" WHERE data IS NOT NULL AND (key, revision) > (?, ?) ORDER BY key, revision LIMIT ${ROWS_A_STEP}`,
      (row) => [row.key, row.revision],
    )
    if (store.checkpoint.revision !== revision) continue
    if (current !== digest) damaged.push(set.name)
    if (versions !== historyDigest) damaged.push(`${set.name}.history`)
  }
  for (const [name, projection] of store.eventProjections)
    if (!(yield* projection.scrub())) damaged.push(name)
  return damaged
}

interface DigestRow {
  readonly key: string
  readonly revision: number
  readonly data: string
}

function* digestOf(
  store: ProjectionStore,
  name: string,
  sql: string,
  cursorOf: (row: DigestRow) => (string | number)[],
): Generator<void, string> {
  const digest = new SetDigest()
  const statement = store.database.prepare(sql)
  let cursor: (string | number)[] = cursorOf({ key: '', revision: 0, data: '' })
  for (;;) {
    const rows = statement.all(...cursor) as unknown as readonly DigestRow[]
    for (const row of rows) digest.add(rowHash(name, row.key, row.revision, row.data))
    const last = rows.at(-1)
    if (last === undefined || rows.length < ROWS_A_STEP) return digest.toString()
    cursor = cursorOf(last)
    yield
  }
}
