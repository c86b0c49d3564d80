import type { DatabaseSync } from 'node:sqlite'
import type { Contract, RowOf } from '../../domains/kernel/contract.ts'
import { identities } from '../../domains/kernel/references.ts'
import type { AnyRow, Kind, Registry } from '../../domains/kernel/registry.ts'
import type { ProjectedResources } from './projection.ts'
import type { RowSet } from './row_set.ts'

/** The rows of all resources, and who refers to whom, in a projection file. */
export class ResourceRows implements ProjectedResources {
  readonly #database: DatabaseSync
  readonly #registry: Registry
  readonly #set: (kind: string) => RowSet
  readonly #referrers
  readonly #refer
  readonly #unrefer

  constructor(database: DatabaseSync, registry: Registry, set: (kind: string) => RowSet) {
    this.#database = database
    this.#registry = registry
    this.#set = set
    database.exec(`
      CREATE TABLE IF NOT EXISTS reference (target TEXT NOT NULL, kind TEXT NOT NULL, uid TEXT NOT NULL, field TEXT NOT NULL,
        PRIMARY KEY (target, kind, uid, field)) WITHOUT ROWID, STRICT;`)
    this.#referrers = database.prepare(
      'SELECT DISTINCT uid FROM reference WHERE target = ? AND kind = ? ORDER BY uid',
    )
    this.#refer = database.prepare(
      'INSERT OR IGNORE INTO reference (target, kind, uid, field) VALUES (?, ?, ?, ?)',
    )
    this.#unrefer = database.prepare(
      'DELETE FROM reference WHERE target = ? AND kind = ? AND uid = ? AND field = ?',
    )
  }

  /** Keeps who refers to whom, after a row was written. */
  follow(kind: Kind, before: AnyRow | undefined, after: AnyRow | undefined): void {
    for (const { field, target } of kind.references) {
      const from = identities(before, field)
      const to = identities(after, field)
      for (const identity of from)
        if (!to.includes(identity))
          this.#unrefer.run(`${target} ${identity}`, kind.id, (before as AnyRow).uid, field)
      for (const identity of to)
        if (!from.includes(identity))
          this.#refer.run(`${target} ${identity}`, kind.id, (after as AnyRow).uid, field)
    }
  }

  /** The row of a kind by its id; shared, and not to be changed. */
  row(kind: string, uid: string): AnyRow | undefined {
    return this.#set(kind).data(uid) as AnyRow | undefined
  }

  get<C extends Contract, K extends Extract<keyof C['resources'], string>>(
    contract: C,
    kind: K,
    uid: string,
  ): RowOf<C['resources'][K]> | undefined {
    return this.row(`${contract.name}.${kind}`, uid) as RowOf<C['resources'][K]> | undefined
  }

  referrers<C extends Contract, K extends Extract<keyof C['resources'], string>>(
    contract: C,
    kind: K,
    identity: string,
  ): readonly RowOf<C['resources'][K]>[] {
    const id = `${contract.name}.${kind}`
    const targets = new Set((this.#registry.kinds.get(id) as Kind).references.map(({ target }) => target))
    const uids = [...targets].flatMap((target) =>
      this.#referrers.all(`${target} ${identity}`, id).map((row) => row['uid'] as string),
    )
    return [...new Set(uids)].map((uid) => this.row(id, uid) as unknown as RowOf<C['resources'][K]>)
  }

  all<C extends Contract, K extends Extract<keyof C['resources'], string>>(
    contract: C,
    kind: K,
  ): readonly RowOf<C['resources'][K]>[] {
    const rows = this.#database.prepare(`SELECT data FROM "${contract.name}.${kind}" ORDER BY key`).all()
    return rows.map((row) => JSON.parse(row['data'] as string) as RowOf<C['resources'][K]>)
  }
}
