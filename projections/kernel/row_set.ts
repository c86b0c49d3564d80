import type { DatabaseSync, StatementSync } from 'node:sqlite'
import { rowHash, SetDigest } from './digest.ts'
import { RowCache } from './row_cache.ts'

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

/** The digests of a set's rows and of all their versions, and the revision of the last change. */
export interface SetDigests {
  readonly digest: string
  readonly historyDigest: string
  readonly changed: number
}

/**
 * A set of rows in SQLite: a table of the current ones, and an append-only history of all versions by revision, where the end of a
 * version is the next one. Names are identifiers of this program, never a user's.
 */
export class RowSet {
  readonly name: string
  readonly #cache: RowCache
  readonly #put: StatementSync
  readonly #delete: StatementSync
  readonly #version: StatementSync
  #digest: SetDigest
  #historyDigest: SetDigest
  #digests: SetDigests | undefined
  /** The revision of the last change. */
  changed: number

  constructor(database: DatabaseSync, name: string, saved: SetDigests | undefined) {
    this.name = name
    this.#digest = new SetDigest(saved?.digest)
    this.#historyDigest = new SetDigest(saved?.historyDigest)
    this.changed = saved?.changed ?? 0
    database.exec(`
      CREATE TABLE IF NOT EXISTS "${name}" (key TEXT PRIMARY KEY, slice TEXT NOT NULL, project TEXT NOT NULL, name TEXT NOT NULL,
        revision INTEGER NOT NULL, data TEXT NOT NULL) WITHOUT ROWID, STRICT;
      CREATE TABLE IF NOT EXISTS "${name}.history" (key TEXT NOT NULL, revision INTEGER NOT NULL, slice TEXT NOT NULL,
        project TEXT NOT NULL, name TEXT NOT NULL, data TEXT, PRIMARY KEY (key, revision)) WITHOUT ROWID, STRICT;`)
    const load = database.prepare(
      `SELECT key, slice, project, name, revision, data FROM "${name}" WHERE key = ?`,
    )
    this.#cache = new RowCache((key) => load.get(key) as unknown as StoredRow | undefined)
    this.#put = database.prepare(
      `INSERT INTO "${name}" (key, slice, project, name, revision, data) VALUES (?, ?, ?, ?, ?, ?)
       ON CONFLICT (key) DO UPDATE SET revision = excluded.revision, name = excluded.name, data = excluded.data`,
    )
    this.#delete = database.prepare(`DELETE FROM "${name}" WHERE key = ?`)
    this.#version = database.prepare(
      `INSERT INTO "${name}.history" (key, revision, slice, project, name, data) VALUES (?, ?, ?, ?, ?, ?)
       ON CONFLICT (key, revision) DO UPDATE SET data = excluded.data, name = excluded.name`,
    )
  }

  /** Made after a load: they would slow it down. */
  static createIndexes(database: DatabaseSync, name: string): void {
    database.exec(`
      CREATE INDEX IF NOT EXISTS "${name}.by_name" ON "${name}" (project, name, key);
      CREATE INDEX IF NOT EXISTS "${name}.by_slice" ON "${name}" (slice, key);
      CREATE INDEX IF NOT EXISTS "${name}.by_revision" ON "${name}.history" (slice, revision, key);`)
  }

  get(key: string): StoredRow | undefined {
    return this.#cache.row(key)
  }

  /** The data of a row, parsed: it is shared, and not to be changed. */
  data(key: string): Readonly<Record<string, unknown>> | undefined {
    return this.#cache.data(key)
  }

  /** To be called when a transaction was rolled back, with the digests from before it. */
  rollBack(saved: SetDigests): void {
    this.#cache.clear()
    this.#digest = new SetDigest(saved.digest)
    this.#historyDigest = new SetDigest(saved.historyDigest)
    this.#digests = saved
    this.changed = saved.changed
  }

  /** Puts a row, or (with null data) deletes it. A row may change several times at one revision: the last one counts. */
  write(
    row: { readonly key: string; readonly slice: string; readonly project: string; readonly name: string },
    revision: number,
    data: string | null,
  ): void {
    const before = this.get(row.key)
    if (before === undefined && data === null) return
    if (before !== undefined) {
      const beforeHash = rowHash(this.name, row.key, before.revision, before.data)
      this.#digest.remove(beforeHash)
      if (before.revision === revision) this.#historyDigest.remove(beforeHash)
    }
    const { key, slice, project, name } = before === undefined ? row : { ...before, name: row.name }
    if (data === null) this.#delete.run(key)
    else {
      this.#put.run(key, slice, project, name, revision, data)
      const afterHash = rowHash(this.name, key, revision, data)
      this.#digest.add(afterHash)
      this.#historyDigest.add(afterHash)
    }
    this.#version.run(key, revision, slice, project, name, data)
    this.#cache.put(key, data === null ? undefined : { key, slice, project, name, revision, data })
    this.#digests = undefined
    this.changed = revision
  }

  get digests(): SetDigests {
    this.#digests ??= {
      digest: this.#digest.toString(),
      historyDigest: this.#historyDigest.toString(),
      changed: this.changed,
    }
    return this.#digests
  }
}
