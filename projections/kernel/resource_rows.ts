import type { DatabaseSync } from 'node:sqlite'
import type { Contract, RowOf } from '../../domains/kernel/contract.ts'
import { identities } from '../../domains/kernel/references.ts'
import type { AnyRow, Kind } from '../../domains/kernel/registry.ts'
import { hashOf, SetDigest } from './digest.ts'
import type { ProjectedResources, Projection } from './projection.ts'
import type { RowSet } from './row_set.ts'

/** The rows of all resources, and who refers to whom of the kinds that projections ask for, in a projection file. */
export class ResourceRows implements ProjectedResources {
  readonly #database: DatabaseSync
  readonly #set: (kind: string) => RowSet
  /** The kinds whose references are kept, and the highest identity that one of them refers to. */
  readonly #highest: Map<string, string>
  readonly #referrers
  readonly #refer
  readonly #unrefer
  /** Of all references. */
  digest: SetDigest

  constructor(
    database: DatabaseSync,
    projections: readonly Projection[],
    set: (kind: string) => RowSet,
    digest: string | undefined,
  ) {
    this.#database = database
    this.#set = set
    this.digest = new SetDigest(digest)
    database.exec(`
      CREATE TABLE IF NOT EXISTS reference (kind TEXT NOT NULL, identity TEXT NOT NULL, uid TEXT NOT NULL, field TEXT NOT NULL,
        PRIMARY KEY (kind, identity, uid, field)) WITHOUT ROWID, STRICT;`)
    this.#referrers = database.prepare(
      'SELECT DISTINCT uid FROM reference WHERE kind = ? AND identity = ? ORDER BY uid',
    )
    this.#refer = database.prepare(
      'INSERT OR IGNORE INTO reference (identity, kind, uid, field) VALUES (?, ?, ?, ?)',
    )
    this.#unrefer = database.prepare(
      'DELETE FROM reference WHERE identity = ? AND kind = ? AND uid = ? AND field = ?',
    )
    const highest = database.prepare('SELECT max(identity) AS identity FROM reference WHERE kind = ?')
    this.#highest = new Map(
      projections
        .flatMap(({ referrers }) => referrers)
        .map((kind) => [kind, (highest.get(kind)?.['identity'] ?? '') as string]),
    )
  }

  /** Keeps who refers to whom, after a row was written. */
  follow(kind: Kind, before: AnyRow | undefined, after: AnyRow | undefined): void {
    const highest = this.#highest.get(kind.id)
    if (highest === undefined) return
    for (const { field } of kind.references) {
      if (field === 'project') continue
      const from = identities(before, field)
      const to = identities(after, field)
      for (const identity of from)
        if (!to.includes(identity)) {
          const columns = [identity, kind.id, (before as AnyRow).uid, field] as const
          if (this.#unrefer.run(...columns).changes > 0) this.digest.remove(hashOf('reference', ...columns))
        }
      for (const identity of to)
        if (!from.includes(identity)) {
          const columns = [identity, kind.id, (after as AnyRow).uid, field] as const
          if (this.#refer.run(...columns).changes > 0) this.digest.add(hashOf('reference', ...columns))
          if (identity > (this.#highest.get(kind.id) ?? '')) this.#highest.set(kind.id, identity)
        }
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
    const highest = this.#highest.get(id)
    if (highest === undefined) throw new RangeError(`no projection says that it asks for referrers of ${id}`)
    if (identity > highest) return []
    const rows = this.#referrers.all(id, identity)
    return rows.map((row) => this.row(id, row['uid'] as string) as unknown as RowOf<C['resources'][K]>)
  }

  all<C extends Contract, K extends Extract<keyof C['resources'], string>>(
    contract: C,
    kind: K,
  ): readonly RowOf<C['resources'][K]>[] {
    const set = this.#set(`${contract.name}.${kind}`)
    set.flushRows()
    const rows = this.#database.prepare(`SELECT data FROM "${set.name}" ORDER BY key`).all()
    return rows.map((row) => JSON.parse(row['data'] as string) as RowOf<C['resources'][K]>)
  }
}
