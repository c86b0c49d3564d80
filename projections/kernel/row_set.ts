import type { DatabaseSync, StatementSync } from 'node:sqlite'
import { BulkInsert } from './bulk_insert.ts'
import { SetDigest, versionHash } from './digest.ts'
import { KeysOnDisk } from './keys_on_disk.ts'
import { RowCache } from './row_cache.ts'
import { firstVersionOf } from './version_id.ts'

/** Versions that wait to be written, at most. */
const VERSIONS_MAX = 4096

/** A row as it is stored. */
export interface StoredRow {
  readonly key: string
  readonly slice: string
  readonly project: string
  readonly name: string
  readonly revision: number
  /** JSON. */
  readonly data: string
}

/** What a row is found by. */
export type Place = Pick<StoredRow, 'key' | 'slice' | 'project' | 'name'>

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
  /** The rows that differ from the table, as they are in it. */
  readonly #dirty = new Map<string, StoredRow | undefined>()
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

  get(key: string): StoredRow | undefined {
    return this.#cache.row(key)
  }

  /** The data of a row, parsed: it is shared, and not to be changed. */
  data(key: string): Readonly<Record<string, unknown>> | undefined {
    return this.#cache.data(key)
  }

  /**
   * A version of a row: of one that is deleted where `parsed` is undefined. There must be one a revision at most. The place of a row
   * that is there stays, but for its name.
   */
  write(row: Place, revision: number, parsed: object | undefined, data: string | null): void {
    const { key } = row
    const before = this.#cache.row(key)
    const slice = before?.slice ?? row.slice
    const project = before?.project ?? row.project
    const { name } = row
    if (revision !== this.#changed) this.#versionsOfRevision = 0
    const id = firstVersionOf(revision) + this.#versionsOfRevision++
    if (this.shape === 'resources') this.#versions.add(id, key, project, name, data)
    else this.#versions.add(id, key, slice, data)
    this.#digest.add(versionHash(this.name, key, revision, slice, project, name, data))
    if (!this.#dirty.has(key)) this.#dirty.set(key, before)
    const after = data === null ? undefined : { key, slice, project, name, revision, data }
    this.#cache.put(key, after, parsed as Readonly<Record<string, unknown>> | undefined)
    this.#rows += (after === undefined ? 0 : 1) - (before === undefined ? 0 : 1)
    this.#state = undefined
    this.#changed = revision
    if (this.#versions.rows >= VERSIONS_MAX) this.#versions.flush()
  }

  /** The rows that wait to be written. */
  get waiting(): number {
    return this.#dirty.size
  }

  /** Writes the versions that wait to the history. */
  flushVersions(): void {
    this.#versions.flush()
  }

  /** Writes the rows that wait to the table. */
  flushRows(): void {
    if (this.#dirty.size === 0) return
    for (const key of [...this.#dirty.keys()].sort()) this.#flushRow(key, this.#dirty.get(key))
    this.#inserts.flush()
    this.#dirty.clear()
    this.#cache.trim()
  }

  #flushRow(key: string, before: StoredRow | undefined): void {
    const after = this.#cache.row(key)
    if (after === undefined) {
      if (before !== undefined) this.#delete.run(key)
      return
    }
    const { slice, project, name, revision, data } = after
    const place = this.shape === 'resources' ? [project, name] : [slice]
    if (before === undefined) this.#inserts.add(key, ...place, revision, data)
    else if (isSamePlace(before, after)) this.#update.run(revision, data, key)
    else this.#move.run(...place, revision, data, key)
  }

  /** To be called when a transaction was rolled back, with the state from before it. */
  rollBack(saved: SetState): void {
    this.#versions.clear()
    this.#inserts.clear()
    this.#dirty.clear()
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
