import { hash } from 'node:crypto'
import { DatabaseSync } from 'node:sqlite'
import { NO_ORIGIN, type Origin } from '../../domains/kernel/origin.ts'
import type { DecisionRecord, LogRecord, StoredEvent } from '../../domains/kernel/record.ts'
import { type AnyRow, affect, type Registry } from '../../domains/kernel/registry.ts'
import { hashOf, SetDigest } from './digest.ts'
import type { EventProjection, OpenEventProjection, ProjectedEntry } from './event_projection.ts'
import { readMeta, sealMeta } from './meta.ts'
import type { Projection, ResourceChange } from './projection.ts'
import { ResourceRows } from './resource_rows.ts'
import { RowSet } from './row_set.ts'

/** Raised when the layout of the file changes: it is then built anew. */
const LAYOUT = 2

/** What the file is the state of. */
export interface Checkpoint {
  readonly revision: number
  /** Of that entry, in milliseconds since 1970. */
  readonly time: number
  readonly history: string
}

/** The digest of one projection as of a checkpoint. */
export interface ProjectionDigest {
  readonly projection: string
  readonly digest: string
}

/** Every projection's rows in one SQLite file, with the checkpoint in the same transaction: all reads see one revision. */
export class ProjectionStore {
  readonly path: string
  readonly database: DatabaseSync
  readonly registry: Registry
  readonly #projections: readonly Projection[]
  readonly #eventProjections: readonly EventProjection[]
  readonly #opened = new Map<string, OpenEventProjection>()
  readonly #sets = new Map<string, RowSet>()
  readonly #entry
  readonly #resources: ResourceRows
  readonly #putMeta
  /** Projections that choked on an entry, with the reason: they stay where they were, and the others go on. */
  readonly quarantined = new Map<string, string>()
  #checkpoint: Checkpoint
  #origin: Origin
  /** Of all entries. */
  #entries: SetDigest

  /** Opens the file, or makes it. Throws LayoutError when another build made it: it must be built anew. */
  constructor(
    path: string,
    registry: Registry,
    projections: readonly Projection[],
    eventProjections: readonly EventProjection[] = [],
  ) {
    this.path = path
    this.database = new DatabaseSync(path)
    this.registry = registry
    this.#projections = projections
    this.#eventProjections = eventProjections
    this.database.exec(`PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL; PRAGMA cache_size = -65536; PRAGMA cell_size_check = ON;
      CREATE TABLE IF NOT EXISTS meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID, STRICT;
      CREATE TABLE IF NOT EXISTS entry (revision INTEGER PRIMARY KEY, time INTEGER NOT NULL, command TEXT NOT NULL, actor TEXT NOT NULL,
        actor_kind TEXT NOT NULL, command_id TEXT NOT NULL, cause TEXT NOT NULL) STRICT;`)
    const { layout } = this
    const saved = this.#meta('layout')
    if (saved !== undefined && saved !== layout) {
      this.database.close()
      throw new LayoutError(`${path} was made by another build`)
    }
    this.#putMeta = this.database.prepare(
      'INSERT INTO meta (key, value) VALUES (?, ?) ON CONFLICT (key) DO UPDATE SET value = excluded.value',
    )
    this.#saveMeta('layout', layout)
    this.#checkpoint = JSON.parse(
      this.#meta('checkpoint') ?? '{"revision":0,"time":0,"history":""}',
    ) as Checkpoint
    this.#origin = JSON.parse(this.#meta('origin') ?? JSON.stringify(NO_ORIGIN)) as Origin
    const digests = JSON.parse(this.#meta('digests') ?? '{}') as Record<string, RowSet['digests']>
    const others = JSON.parse(this.#meta('others') ?? '{}') as { entry?: string; reference?: string }
    this.#entries = new SetDigest(others.entry)
    for (const name of [...registry.kinds.keys(), ...projections.map((projection) => projection.name)]) {
      this.#sets.set(name, new RowSet(this.database, name, digests[name]))
    }
    for (const projection of eventProjections) {
      const saved = this.#meta(`events ${projection.name}`)
      this.#opened.set(
        projection.name,
        projection.open(this.database, saved === undefined ? undefined : JSON.parse(saved)),
      )
    }
    this.#entry = this.database.prepare(
      'INSERT INTO entry (revision, time, command, actor, actor_kind, command_id, cause) VALUES (?, ?, ?, ?, ?, ?, ?)',
    )
    this.#resources = new ResourceRows(this.database, registry, (kind) => this.set(kind))
    this.#resources.digest = new SetDigest(others.reference)
    for (const [projection, why] of Object.entries(
      JSON.parse(this.#meta('quarantined') ?? '{}') as Record<string, string>,
    ))
      this.quarantined.set(projection, why)
  }

  /** What the rows depend on besides the log: digests can only be compared where this is the same. */
  get layout(): string {
    const parts = {
      layout: LAYOUT,
      kinds: [...this.registry.kinds.keys()],
      projections: [...this.#projections, ...this.#eventProjections].map(
        ({ name, version }) => `${name}@${version}`,
      ),
    }
    return hash('sha256', JSON.stringify(parts))
  }

  #meta(key: string): string | undefined {
    return readMeta(this.database, key)
  }

  #saveMeta(key: string, value: string): void {
    this.#putMeta.run(key, sealMeta(key, value))
  }

  get checkpoint(): Checkpoint {
    return this.#checkpoint
  }

  /** The last record that the rows are made of. */
  get origin(): Origin {
    return this.#origin
  }

  get digests(): readonly ProjectionDigest[] {
    const tables = [...this.registry.kinds.keys()].map((kind) => this.set(kind).digests)
    const all = {
      digest: hash(
        'sha256',
        JSON.stringify(tables.map(({ digest, historyDigest }) => [digest, historyDigest])),
      ),
    }
    const derived = this.#projections.map(({ name }) => ({
      projection: name,
      digest: hash(
        'sha256',
        JSON.stringify([this.set(name).digests.digest, this.set(name).digests.historyDigest]),
      ),
    }))
    const ofEvents = [...this.#opened].map(([projection, { digest }]) => ({
      projection,
      digest: hash('sha256', JSON.stringify([digest])),
    }))
    return [{ projection: 'tables', digest: all.digest }, ...derived, ...ofEvents]
  }

  /** The set of a kind or a projection. Throws RangeError for an unknown one. */
  set(name: string): RowSet {
    const found = this.#sets.get(name)
    if (found === undefined) throw new RangeError(`there is no set ${name}`)
    return found
  }

  get sets(): IterableIterator<RowSet> {
    return this.#sets.values()
  }

  /** Those that read events themselves, by name. */
  get eventProjections(): ReadonlyMap<string, OpenEventProjection> {
    return this.#opened
  }

  createIndexes(): void {
    this.database.exec('CREATE INDEX IF NOT EXISTS entry_by_time ON entry (time, revision)')
    for (const name of this.#sets.keys()) RowSet.createIndexes(this.database, name)
  }

  /**
   * Takes committed entries in order, all in one transaction with the checkpoint. `record` is null for a no-op; `origin` names the last
   * record. When it throws, nothing has changed.
   */
  apply(
    entries: readonly { readonly revision: number; readonly record: LogRecord | null }[],
    origin = this.#origin,
  ): void {
    this.database.exec('BEGIN IMMEDIATE')
    const undo = this.#savepoint()
    try {
      for (const { revision, record } of entries) {
        if (revision !== this.#checkpoint.revision + 1)
          throw new RangeError(`entry ${revision} came after ${this.#checkpoint.revision}`)
        const { time, history } = this.#checkpoint
        this.#checkpoint = {
          revision,
          time: record?.time ?? time,
          history: record?.kind === 'history' ? record.history : history,
        }
        if (record === null) continue
        if (record.kind === 'history')
          this.#applyHistory(revision, record.parent === '' ? undefined : record.time - time)
        else this.#applyDecision(revision, record)
      }
      this.#origin = origin
      this.#saveMeta('checkpoint', JSON.stringify(this.#checkpoint))
      this.#saveMeta('origin', JSON.stringify(origin))
      const others = { entry: this.#entries.toString(), reference: this.#resources.digest.toString() }
      this.#saveMeta('others', JSON.stringify(others))
      this.#saveMeta(
        'digests',
        JSON.stringify(Object.fromEntries([...this.#sets].map(([name, set]) => [name, set.digests]))),
      )
      for (const [name, { saved }] of this.#opened)
        this.#saveMeta(`events ${name}`, JSON.stringify(saved ?? null))
      this.#saveMeta('quarantined', JSON.stringify(Object.fromEntries(this.quarantined)))
      this.database.exec('COMMIT')
    } catch (error) {
      if (this.database.isTransaction) this.database.exec('ROLLBACK')
      undo()
      throw error
    }
  }

  /** What is kept in memory besides the file, to be put back with a rollback. */
  #savepoint(): () => void {
    const checkpoint = this.#checkpoint
    const origin = this.#origin
    const quarantined = [...this.quarantined]
    const digests = [...this.#sets.values()].map((set) => [set, set.digests] as const)
    const entries = this.#entries.toString()
    const references = this.#resources.digest.toString()
    return () => {
      this.#entries = new SetDigest(entries)
      this.#resources.digest = new SetDigest(references)
      this.#checkpoint = checkpoint
      this.#origin = origin
      this.quarantined.clear()
      for (const [projection, why] of quarantined) this.quarantined.set(projection, why)
      for (const [set, saved] of digests) set.rollBack(saved)
    }
  }

  #applyHistory(revision: number, sinceParent: number | undefined): void {
    this.#addEntry(
      revision,
      this.#checkpoint.time,
      'kernel.BeginHistory',
      'process:kernel',
      'process',
      '',
      '',
    )
    if (sinceParent === undefined) return
    this.#applyEvents(revision, { kind: 'history' })
    for (const projection of this.#projections)
      this.#derive(projection, revision, () => projection.affectedByHistory(this.#resources), sinceParent)
  }

  #addEntry(...columns: readonly [number, number, string, string, string, string, string]): void {
    this.#entry.run(...columns)
    this.#entries.add(hashOf('entry', ...columns))
  }

  #applyDecision(revision: number, record: DecisionRecord): void {
    this.#addEntry(
      revision,
      record.time,
      record.command,
      record.actor,
      record.actorKind,
      record.commandId,
      record.cause,
    )
    const changes: ResourceChange[] = []
    const presented = record.events.map((event) => this.registry.present(event))
    this.#applyEvents(revision, {
      kind: 'events',
      events: presented.map(({ data }, i) => ({ type: (record.events[i] as StoredEvent).type, data })),
    })
    for (const present of presented) {
      if (present.contract.resource === null) continue
      const kind = this.registry.kindOf(present.contract.resource)
      const before = this.#resources.row(kind.id, present.data['uid'] as string)
      const after = affect(kind, present, before, { now: record.time, revision })
      const { uid, project = '', name } = (after ?? before) as AnyRow
      this.set(kind.id).write(
        { key: uid, slice: '', project, name },
        revision,
        after === undefined ? null : JSON.stringify(after),
      )
      this.#resources.follow(kind, before, after)
      changes.push({ kind: kind.id, before, after })
    }
    for (const projection of this.#projections) {
      this.#derive(
        projection,
        revision,
        () => new Set(changes.flatMap((change) => projection.affected(change, this.#resources))),
      )
    }
  }

  #applyEvents(revision: number, entry: ProjectedEntry): void {
    for (const [name, projection] of this.#opened) {
      if (this.quarantined.has(name)) continue
      try {
        projection.apply(entry)
      } catch (error) {
        this.quarantined.set(
          name,
          `revision ${revision}: ${error instanceof Error ? error.message : String(error)}`,
        )
      }
    }
  }

  /** Makes all rows of a projection that an entry concerns, then writes them: one that chokes on it stays as it was before. */
  #derive(
    projection: Projection,
    revision: number,
    affected: () => Iterable<string>,
    sinceParent?: number,
  ): void {
    if (this.quarantined.has(projection.name)) return
    const set = this.set(projection.name)
    let writes: readonly { readonly key: string; readonly slice: string; readonly data: string | null }[] = []
    try {
      const rows = [...new Set(affected())].map((key) => {
        const before = set.data(key)
        const context = { now: this.#checkpoint.time, revision, before, sinceParent }
        return { key, row: projection.row(key, this.#resources, context) }
      })
      writes = rows.map(({ key, row }) => ({
        key,
        slice: row?.slice ?? '',
        data: row === undefined ? null : JSON.stringify(row.data),
      }))
    } catch (error) {
      if (isSqliteError(error)) throw error
      const why = error instanceof Error ? error.message : String(error)
      this.quarantined.set(projection.name, `revision ${revision}: ${why}`)
    }
    for (const { key, slice, data } of writes) {
      if (data !== (set.get(key)?.data ?? null))
        set.write({ key, slice, project: '', name: key }, revision, data)
    }
  }

  close(): void {
    this.database.close()
  }
}

/** A fault of the file or the disk, not of who uses it. */
export function isSqliteError(error: unknown): error is Error & { readonly errcode: number } {
  return error instanceof Error && 'errcode' in error
}

/** The file was made by a build whose rows come out differently. */
class LayoutError extends Error {
  constructor(message: string) {
    super(message)
    this.name = 'LayoutError'
  }
}
