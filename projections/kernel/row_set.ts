import type { DatabaseSync, StatementSync } from 'node:sqlite'
import { BulkInsert } from './bulk_insert.ts'
import { SetDigest, versionHash } from './digest.ts'
import { KeysOnDisk } from './keys_on_disk.ts'
import { type CachedRow, type Place, RowCache, type StoredRow } from './row_cache.ts'
import { firstVersionOf } from './version_id.ts'

/** Versions that wait to be written, at most. */
const VERSIONS_MAX = 4096

export interface SetState {
  /** Of all versions of the set's rows. */
  readonly digest: string
  /** How many rows there are. */
  readonly rows: number
  /** The revision of the last change. */
  readonly changed: number
}

/** Rows of resources are found by project and name; rows of a projection by the slice that a feed is narrowed to. */
export type SetShape = 'resources' | 'slices'

const placeColumns = { resources: ['project', 'name'], slices: ['slice'] } as const

/** The columns of a set's tables: those that the other shape has are empty text. */
export function columnsOf(shape: SetShape): string {
  return shape === 'resources'
    ? `key, '' AS slice, project, name, revision, data`
    : `key, slice, '' AS project, '' AS name, revision, data`
}

/**
 * A set of rows in SQLite: a table of the current ones, and an append-only history of all versions by revision, where the end of a
 * version is the next one. What is written waits to be flushed: of a row that changes often in between, all versions go to the
 * history, and the last one alone to the table. Names are identifiers of this program, never a user's.
 */
export class RowSet {
  readonly name: string
  readonly shape: SetShape
  readonly #cache: RowCache
  readonly #inserts: BulkInsert
  readonly #versions: BulkInsert
  readonly #update: StatementSync
  readonly #move: StatementSync
  readonly #delete: StatementSync
  /** The rows that differ from the table. */
  #dirty: CachedRow[] = []
  #digest: SetDigest
  #rows: number
  #state: SetState | undefined
  /** The revision of the last change, and its versions so far. */
  #changed: number
  #versionsOfRevision = 0

  constructor(database: DatabaseSync, name: string, shape: SetShape, saved: SetState | undefined) {
    this.name = name
    this.shape = shape
    this.#digest = new SetDigest(saved?.digest)
    this.#rows = saved?.rows ?? 0
    this.#changed = saved?.changed ?? 0
    const place = placeColumns[shape]
    const declared = place.map((column) => `${column} TEXT NOT NULL`).join(', ')
    database.exec(`
      CREATE TABLE IF NOT EXISTS "${name}" (key TEXT PRIMARY KEY, ${declared}, revision INTEGER NOT NULL, data TEXT NOT NULL)
        WITHOUT ROWID, STRICT;
      CREATE TABLE IF NOT EXISTS "${name}.history" (id INTEGER PRIMARY KEY, key TEXT NOT NULL, ${declared}, data TEXT,
        revision INTEGER AS (id / ${firstVersionOf(1)}) VIRTUAL) STRICT;`)
    const load = database.prepare(`SELECT ${columnsOf(shape)} FROM "${name}" WHERE key = ?`)
    this.#cache = new RowCache(
      KeysOnDisk.of(database, name),
      (key) => load.get(key) as unknown as StoredRow | undefined,
    )
    this.#inserts = new BulkInsert(database, name, ['key', ...place, 'revision', 'data'])
    this.#versions = new BulkInsert(database, `${name}.history`, ['id', 'key', ...place, 'data'])
    this.#update = database.prepare(`UPDATE "${name}" SET revision = ?, data = ? WHERE key = ?`)
    const moved = place.map((column) => `${column} = ?`).join(', ')
    this.#move = database.prepare(`UPDATE "${name}" SET ${moved}, revision = ?, data = ? WHERE key = ?`)
    this.#delete = database.prepare(`DELETE FROM "${name}" WHERE key = ?`)
  }

  /** Made after a load: they would slow it down. A set of resources is read by name, one of slices is followed. */
  createIndexes(database: DatabaseSync): void {
    const { name } = this
    database.exec(`CREATE INDEX IF NOT EXISTS "${name}.by_key" ON "${name}.history" (key)`)
    database.exec(
      this.shape === 'resources'
        ? `CREATE INDEX IF NOT EXISTS "${name}.by_name" ON "${name}" (project, name, key)`
        : `CREATE INDEX IF NOT EXISTS "${name}.by_slice" ON "${name}" (slice, key) WHERE slice <> '';
           CREATE INDEX IF NOT EXISTS "${name}.history.by_slice" ON "${name}.history" (slice) WHERE slice <> ''`,
    )
  }

  /** The row under a key, also where it is not there. It is valid until the next flush. */
  row(key: string): CachedRow {
    return this.#cache.row(key)
  }

  /** The data of a row; undefined where it is not there. It is shared, and not to be changed. */
  dataOf(row: CachedRow): Readonly<Record<string, unknown>> | undefined {
    if (row.data === null) return undefined
    row.parsed ??= JSON.parse(row.data) as Record<string, unknown>
    return row.parsed
  }

  data(key: string): Readonly<Record<string, unknown>> | undefined {
    return this.dataOf(this.#cache.row(key))
  }

  /** A version of a row: null data for one that is deleted. There must be one a revision at most. */
  write(
    row: CachedRow,
    place: Place,
    revision: number,
    data: string | null,
    parsed: object | undefined,
  ): void {
    const { key } = row
    const { slice, project, name } = place
    if (revision !== this.#changed) this.#versionsOfRevision = 0
    const id = firstVersionOf(revision) + this.#versionsOfRevision++
    if (this.shape === 'resources') this.#versions.add(id, key, project, name, data)
    else this.#versions.add(id, key, slice, data)
    this.#digest.add(versionHash(this.name, key, revision, slice, project, name, data))
    if (!row.isDirty) {
      row.isDirty = true
      row.stored = row.data === null ? undefined : row.place
      this.#dirty.push(row)
    }
    this.#rows += (data === null ? 0 : 1) - (row.data === null ? 0 : 1)
    row.place = place
    row.revision = revision
    row.data = data
    row.parsed = parsed as CachedRow['parsed']
    this.#state = undefined
    this.#changed = revision
    if (this.#versions.rows >= VERSIONS_MAX) this.#versions.flush()
  }

  /** The rows that wait to be written. */
  get waiting(): number {
    return this.#dirty.length
  }

  /** Writes the versions that wait to the history. */
  flushVersions(): void {
    this.#versions.flush()
    this.#cache.trim(this.#dirty.length)
  }

  /** Writes the rows that wait to the table. */
  flushRows(): void {
    if (this.#dirty.length > 1) this.#dirty.sort((one, other) => (one.key < other.key ? -1 : 1))
    for (const row of this.#dirty) this.#flushRow(row)
    this.#inserts.flush()
    this.#dirty = []
  }

  #flushRow(row: CachedRow): void {
    const { key, place, revision, data, stored } = row
    row.isDirty = false
    row.stored = undefined
    if (data === null) {
      if (stored !== undefined) this.#delete.run(key)
      return
    }
    const { slice, project, name } = place
    const values = this.shape === 'resources' ? [project, name] : [slice]
    if (stored === undefined) this.#inserts.add(key, ...values, revision, data)
    else if (isSamePlace(stored, place)) this.#update.run(revision, data, key)
    else this.#move.run(...values, revision, data, key)
  }

  /** To be called when a transaction was rolled back, with the state from before it. */
  rollBack(saved: SetState): void {
    this.#versions.clear()
    this.#inserts.clear()
    this.#dirty = []
    this.#cache.clear()
    this.#digest = new SetDigest(saved.digest)
    this.#state = saved
    this.#rows = saved.rows
    this.#changed = saved.changed
  }

  get state(): SetState {
    this.#state ??= { digest: this.#digest.toString(), rows: this.#rows, changed: this.#changed }
    return this.#state
  }

  /** The revision of the last change. */
  get changed(): number {
    return this.#changed
  }
}

function isSamePlace(one: Place, other: Place): boolean {
  return one.name === other.name && one.project === other.project && one.slice === other.slice
}
