import type { DatabaseSync } from 'node:sqlite'
import type { Of } from '../../domains/kernel/contract.ts'
import { reject } from '../../domains/kernel/rejection.ts'
import type kv from '../../domains/kv/contract.ts'
import { afterRestore, BEGINNING, type Progress } from '../../domains/kv/contract.ts'
import { BulkInsert } from '../kernel/bulk_insert.ts'
import { SetDigest } from '../kernel/digest.ts'
import type { EventProjection, OpenEventProjection, ProjectedEntry } from '../kernel/event_projection.ts'
import { answerKeys } from './answers.ts'
import { KEY_HISTORY, type KeyQueries } from './queries.ts'
import { bytesOf, COLUMNS, createVersions, keyVersionHash, LATEST, type Version, within } from './versions.ts'

type Events = typeof kv.events
type Data<E extends keyof Events> = Of<Events[E]['message']>

const SCRUB_ROWS = 2000

interface Saved extends Progress {
  readonly digest: string
}

/** Every version of every key since the last compaction, on disk: what reads of the past and watches that lag are served from. */
export const keyHistory: EventProjection = {
  name: KEY_HISTORY,
  version: 2,
  domain: 'kv',
  open: (database, saved) => new KeyHistory(database, saved as Saved | null | undefined),
}

class KeyHistory implements OpenEventProjection {
  readonly #database: DatabaseSync
  readonly #digest: SetDigest
  #progress: Progress
  readonly #inserts: BulkInsert
  readonly #latestLive
  readonly #leased
  /** The last revision written, and how many changes it has. */
  #writing = { revision: 0, changes: 0 }

  constructor(database: DatabaseSync, saved: Saved | null | undefined) {
    createVersions(database)
    this.#database = database
    this.#digest = new SetDigest(saved?.digest)
    this.#progress = { ...BEGINNING, ...saved }
    this.#inserts = new BulkInsert(database, 'key_version', [
      ...['revision', 'sub', 'key', 'value', 'create_revision', 'version', 'lease'],
    ])
    const live = (condition: string) =>
      `SELECT v.key FROM key_version v WHERE ${condition} AND v.value IS NOT NULL AND ${LATEST} ORDER BY v.key`
    this.#latestLive = {
      bounded: database.prepare(live(within(''))),
      unbounded: database.prepare(live(within(undefined))),
    }
    this.#leased = database.prepare(live('v.lease = $lease'))
  }

  get saved(): Saved {
    const { revision, compacted } = this.#progress
    return { revision, compacted, digest: this.#digest.toString() }
  }

  get digest(): string {
    return this.#digest.toString()
  }

  apply(entry: ProjectedEntry): void {
    if (entry.kind === 'history') {
      this.#progress = afterRestore(this.#progress)
      this.#forget(this.#progress.compacted)
      return
    }
    for (const { name, data } of entry.events) {
      switch (name) {
        case 'Put':
          this.#put(data as Data<'Put'>)
          break
        case 'Deleted':
          this.#deleted(data as Data<'Deleted'>)
          break
        case 'LeaseRevoked':
          this.#revoked(data as Data<'LeaseRevoked'>)
          break
        case 'Compacted':
          this.#progress = { ...this.#progress, compacted: (data as Data<'Compacted'>).revision }
          this.#forget(this.#progress.compacted)
          break
      }
    }
  }

  flush(): void {
    this.#inserts.flush()
  }

  #put({ revision, key, value, createRevision, version, lease }: Data<'Put'>): void {
    const row = { key: bytesOf(key), value: bytesOf(value), create_revision: createRevision, version, lease }
    this.#write(revision, row)
  }

  #deleted({ revision, key, rangeEnd }: Data<'Deleted'>): void {
    if (rangeEnd === '') {
      this.#delete(revision, bytesOf(key))
      return
    }
    this.flush()
    const { bounded, unbounded } = this.#latestLive
    const from = { $from: bytesOf(key), $revision: revision }
    const rows = rangeEnd === '\0' ? unbounded.all(from) : bounded.all({ ...from, $to: bytesOf(rangeEnd) })
    for (const { key: found } of rows) this.#delete(revision, found as Uint8Array)
  }

  #revoked({ id, revision }: Data<'LeaseRevoked'>): void {
    this.flush()
    for (const { key } of this.#leased.all({ $lease: id, $revision: revision }))
      this.#delete(revision, key as Uint8Array)
  }

  #delete(revision: number, key: Uint8Array): void {
    this.#write(revision, { key, value: null, create_revision: 0, version: 0, lease: '0' })
  }

  #write(revision: number, rest: Omit<Version, 'revision' | 'sub'>): void {
    if (this.#writing.revision !== revision) this.#writing = { revision, changes: 0 }
    const sub = this.#writing.changes++
    const row = { revision, sub, ...rest }
    const { key, value, create_revision, version, lease } = row
    this.#inserts.add(revision, sub, key, value, create_revision, version, lease)
    this.#digest.add(keyVersionHash(row))
    this.#progress = { ...this.#progress, revision }
  }

  /**
   * Deletes what can no more be read: versions that another one at or before the compacted revision follows, and deletions before
   * it. One at that very revision stays, for a watch that begins there.
   */
  #forget(compacted: number): void {
    this.flush()
    const rows = this.#database
      .prepare(
        `SELECT ${COLUMNS} FROM key_version v WHERE v.revision <= $revision AND
          ((v.value IS NULL AND v.revision < $revision) OR NOT (${LATEST}))`,
      )
      .all({ $revision: compacted }) as unknown as readonly Version[]
    const remove = this.#database.prepare('DELETE FROM key_version WHERE revision = ? AND sub = ?')
    for (const row of rows) {
      remove.run(row.revision, row.sub)
      this.#digest.remove(keyVersionHash(row))
    }
  }

  answer(query: string, ask: object): unknown {
    if (!(query in answerKeys)) return reject('NOT_FOUND', `the history of keys answers no ${query}`)
    const answer = answerKeys[query as keyof KeyQueries]
    const now = (): Progress => this.#progress
    return (
      answer as (database: DatabaseSync, progress: Progress, ask: object, now: () => Progress) => unknown
    )(this.#database, this.#progress, ask, now)
  }

  *scrub(): Generator<void, boolean> {
    const digest = new SetDigest()
    const before = this.digest
    const statement = this.#database.prepare(
      `SELECT ${COLUMNS} FROM key_version v WHERE (v.revision, v.sub) > (?, ?) ORDER BY v.revision, v.sub LIMIT ${SCRUB_ROWS}`,
    )
    let last: Pick<Version, 'revision' | 'sub'> | undefined = { revision: 0, sub: 0 }
    while (last !== undefined) {
      const rows = statement.all(last.revision, last.sub) as unknown as readonly Version[]
      for (const row of rows) digest.add(keyVersionHash(row))
      last = rows.at(-1)
      yield
    }
    return before !== this.digest || digest.toString() === before
  }
}
