import { hash } from 'node:crypto'
import { DatabaseSync } from 'node:sqlite'
import { NO_ORIGIN, type Origin } from '../../domains/kernel/origin.ts'
import type { StoredEvent } from '../../domains/kernel/record.ts'
import type { PresentEvent, Registry } from '../../domains/kernel/registry.ts'
import { BulkInsert } from './bulk_insert.ts'
import { hashOf, SetDigest } from './digest.ts'
import { EarlySync } from './early_sync.ts'
import { EntryChanges } from './entry_changes.ts'
import type { EventProjection, OpenEventProjection, ProjectedEntry } from './event_projection.ts'
import { readMeta, sealMeta } from './meta.ts'
import type { ProjectedRecord } from './projected_record.ts'
import type { Projection } from './projection.ts'
import { ResourceRows } from './resource_rows.ts'
import { type CachedRow, NOWHERE, type Place } from './row_cache.ts'
import { RowSet, type SetState } from './row_set.ts'

/** Raised when the layout of the file changes: it is then built anew. */
const LAYOUT = 3
/** Rows that wait in a load, at most: the longer, the more of them change again before they are written. */
const LOADING_ROWS_MAX = 32_768

/** Pages are copied from the write-ahead log once for many batches: those that change in each are written less often. */
const SAFE =
  'PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL; PRAGMA wal_autocheckpoint = 4096; PRAGMA journal_size_limit = 67108864'

/** Of a new file: larger pages make a load faster, but with more than this small batches become slower, as all of a page is written. */
const PAGE_BYTES = 8192

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

/** An entry and what rows are made of; null for a no-op. */
export interface AppliedEntry {
  readonly revision: number
  readonly record: ProjectedRecord | null
}

interface DerivedWrite {
  readonly row: CachedRow
  readonly place: Place
  /** Null where the row is gone. */
  readonly data: string | null
  readonly parsed: object | undefined
}

/** What is saved with every batch, beside the state of the sets that have changed. */
export interface FileState {
  readonly checkpoint: Checkpoint
  readonly origin: Origin
  /** Digests. */
  readonly entries: string
  readonly references: string
}

const NEW_FILE: FileState = {
  checkpoint: { revision: 0, time: 0, history: '' },
  origin: NO_ORIGIN,
  entries: '',
  references: '',
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
  readonly #entry: BulkInsert
  readonly #resources: ResourceRows
  readonly #putMeta
  readonly #begin
  readonly #commit
  /** What was saved last, by its key, and of each set: that is what a rollback goes back to. */
  readonly #saved = new Map<string, string>()
  readonly #savedStates = new Map<RowSet, SetState>()
  /** Projections that choked on an entry, with the reason: they stay where they were, and the others go on. */
  readonly quarantined = new Map<string, string>()
  #checkpoint: Checkpoint
  #origin: Origin
  /** Of all entries. */
  #entries: SetDigest
  /** While the file is filled. */
  #sync: EarlySync | undefined
  /** An event of each type, for what declares it. */
  readonly #declared = new Map<string, PresentEvent>()

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
    this.database.exec(`PRAGMA page_size = ${PAGE_BYTES}; ${SAFE}; PRAGMA cache_size = -65536; PRAGMA cell_size_check = ON;
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
    this.#begin = this.database.prepare('BEGIN IMMEDIATE')
    this.#commit = this.database.prepare('COMMIT')
    this.#saveMeta('layout', layout)
    const state = JSON.parse(this.#meta('state') ?? JSON.stringify(NEW_FILE)) as FileState
    this.#checkpoint = state.checkpoint
    this.#origin = state.origin
    this.#entries = new SetDigest(state.entries)
    for (const name of registry.kinds.keys()) this.#openSet(name, 'resources')
    for (const { name } of projections) this.#openSet(name, 'slices')
    for (const projection of eventProjections) {
      const saved = this.#meta(`events ${projection.name}`)
      this.#opened.set(
        projection.name,
        projection.open(this.database, saved === undefined ? undefined : JSON.parse(saved)),
      )
    }
    this.#entry = new BulkInsert(this.database, 'entry', [
      ...['revision', 'time', 'command', 'actor', 'actor_kind', 'command_id', 'cause'],
    ])
    this.#resources = new ResourceRows(this.database, projections, (kind) => this.set(kind), state.references)
    const quarantined = JSON.parse(this.#meta('quarantined') ?? '{}') as Record<string, string>
    for (const [projection, why] of Object.entries(quarantined)) this.quarantined.set(projection, why)
  }

  #openSet(name: string, shape: RowSet['shape']): void {
    const saved = this.#meta(`set ${name}`)
    const state = saved === undefined ? undefined : (JSON.parse(saved) as SetState)
    const set = new RowSet(this.database, name, shape, state)
    this.#sets.set(name, set)
    this.#savedStates.set(set, set.state)
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
    const value = readMeta(this.database, key)
    if (value !== undefined) this.#saved.set(key, value)
    return value
  }

  /** Within the transaction, and again after one that was rolled back. */
  #saveMeta(key: string, value: string): void {
    if (this.#saved.get(key) === value) return
    this.#putMeta.run(key, sealMeta(key, value))
    this.#saved.set(key, value)
  }

  get checkpoint(): Checkpoint {
    return this.#checkpoint
  }

  /** The last record that the rows are made of. */
  get origin(): Origin {
    return this.#origin
  }

  get digests(): readonly ProjectionDigest[] {
    const tables = [...this.registry.kinds.keys()].map((kind) => this.set(kind).state.digest)
    const derived = this.#projections.map(({ name }) => [name, this.set(name).state.digest] as const)
    const ofEvents = [...this.#opened].map(([name, { digest }]) => [name, digest] as const)
    return [['tables', tables] as const, ...derived, ...ofEvents].map(([projection, digest]) => ({
      projection,
      digest: hash('sha256', JSON.stringify(digest)),
    }))
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

  /** Nothing may be read: rows wait in memory. */
  get isLoading(): boolean {
    return this.#sync !== undefined
  }

  createIndexes(): void {
    for (const set of this.#sets.values()) set.createIndexes(this.database)
  }

  /**
   * Begins to fill a new file that is of no use before `endLoad`: nothing is kept for a rollback, and nothing is synced. When a
   * batch fails, or the process ends, the file must be thrown away.
   */
  beginLoad(): void {
    this.database.exec('PRAGMA synchronous = OFF; PRAGMA journal_mode = DELETE')
    this.database.exec('BEGIN IMMEDIATE')
    this.#sync = new EarlySync(this.path)
  }

  /** The file is whole and on disk once this returns. */
  endLoad(): void {
    this.#flushRows()
    this.#save()
    this.#commit.run()
    for (const set of this.#sets.values()) this.#savedStates.set(set, set.state)
    this.createIndexes()
    const sync = this.#sync
    this.#sync = undefined
    this.database.exec(SAFE)
    sync?.end()
  }

  /**
   * Takes committed entries in order, all in one transaction with the checkpoint; `origin` names the last record. When it throws,
   * nothing has changed, but in a load.
   */
  apply(entries: Iterable<AppliedEntry>, origin = this.#origin): void {
    if (this.#sync !== undefined) {
      this.#take(entries, origin)
      this.#sync.begin()
      return
    }
    this.#begin.run()
    const undo = this.#savepoint()
    try {
      this.#take(entries, origin)
      this.#save()
      this.#commit.run()
      for (const set of this.#sets.values())
        if (this.#savedStates.get(set) !== set.state) this.#savedStates.set(set, set.state)
    } catch (error) {
      if (this.database.isTransaction) this.database.exec('ROLLBACK')
      undo()
      throw error
    }
  }

  #take(entries: Iterable<AppliedEntry>, origin: Origin): void {
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
    this.#entry.flush()
    for (const set of this.#sets.values()) set.flushVersions()
    for (const projection of this.#opened.values()) projection.flush()
    let waiting = 0
    for (const set of this.#sets.values()) waiting += set.waiting
    if (!this.isLoading || waiting > LOADING_ROWS_MAX) this.#flushRows()
  }

  #flushRows(): void {
    for (const set of this.#sets.values()) set.flushRows()
  }

  #save(): void {
    const state: FileState = {
      checkpoint: this.#checkpoint,
      origin: this.#origin,
      entries: this.#entries.toString(),
      references: this.#resources.digest.toString(),
    }
    this.#saveMeta('state', JSON.stringify(state))
    for (const [name, set] of this.#sets)
      if (this.#savedStates.get(set) !== set.state) this.#saveMeta(`set ${name}`, JSON.stringify(set.state))
    for (const [name, { saved }] of this.#opened)
      this.#saveMeta(`events ${name}`, JSON.stringify(saved ?? null))
    this.#saveMeta('quarantined', JSON.stringify(Object.fromEntries(this.quarantined)))
  }

  /** What is kept in memory besides the file, to be put back with a rollback. */
  #savepoint(): () => void {
    const checkpoint = this.#checkpoint
    const origin = this.#origin
    const quarantined = [...this.quarantined]
    const entries = this.#entries.toString()
    const references = this.#resources.digest.toString()
    return () => {
      this.#entry.clear()
      this.#entries = new SetDigest(entries)
      this.#resources.digest = new SetDigest(references)
      this.#checkpoint = checkpoint
      this.#origin = origin
      this.quarantined.clear()
      for (const [projection, why] of quarantined) this.quarantined.set(projection, why)
      for (const [set, saved] of this.#savedStates) set.rollBack(saved)
      this.#saved.clear()
    }
  }

  #applyHistory(revision: number, sinceParent: number | undefined): void {
    const { time } = this.#checkpoint
    this.#addEntry(revision, time, 'kernel.BeginHistory', 'process:kernel', 'process', '', '')
    if (sinceParent === undefined) return
    for (const name of this.#opened.keys()) this.#applyEvents(name, revision, { kind: 'history' })
    for (const projection of this.#projections)
      this.#derive(projection, revision, () => projection.affectedByHistory(this.#resources), sinceParent)
  }

  #addEntry(...columns: readonly [number, number, string, string, string, string, string]): void {
    this.#entry.add(...columns)
    this.#entries.add(hashOf('entry', ...columns))
  }

  #applyDecision(revision: number, record: Extract<ProjectedRecord, { kind: 'decision' }>): void {
    const { time, command, actor, actorKind, commandId, cause } = record
    this.#addEntry(revision, time, command, actor, actorKind, commandId, cause)
    const presented = record.events.map((event) => this.#present(event))
    for (const { name, domain } of this.#eventProjections) {
      const events = presented.filter((event) => event.domain.contract.name === domain)
      if (events.length > 0) this.#applyEvents(name, revision, { kind: 'events', events })
    }
    const changes = new EntryChanges(this.registry, (kind) => this.set(kind), { now: time, revision })
    for (const event of presented) changes.take(event)
    for (const { kind, row, before, after, last } of changes.rows) {
      const { project = '', name } = last
      const isSamePlace = row.place.name === name && row.place.project === project
      const place = isSamePlace ? row.place : { slice: '', project, name }
      const data = after === undefined ? null : JSON.stringify(after)
      this.set(kind.id).write(row, place, revision, data, after)
      this.#resources.follow(kind, before, after)
    }
    const { changed } = changes
    if (changed.length === 0) return
    for (const projection of this.#projections)
      this.#derive(projection, revision, () =>
        changed.length === 1 && changed[0] !== undefined
          ? projection.affected(changed[0], this.#resources)
          : changed.flatMap((change) => projection.affected(change, this.#resources)),
      )
  }

  /** Remembers where events of the present version are declared. */
  #present(event: StoredEvent): PresentEvent {
    const { type, version, data } = event
    const known = this.#declared.get(type)
    if (known !== undefined && known.contract.version === version)
      return { domain: known.domain, name: known.name, contract: known.contract, data }
    const present = this.registry.present(event)
    this.#declared.set(type, present)
    return present
  }

  #applyEvents(name: string, revision: number, entry: ProjectedEntry): void {
    if (this.quarantined.has(name)) return
    try {
      this.#opened.get(name)?.apply(entry)
    } catch (error) {
      this.#quarantine(name, revision, error)
    }
  }

  #quarantine(name: string, revision: number, error: unknown): void {
    const why = error instanceof Error ? error.message : String(error)
    this.quarantined.set(name, `revision ${revision}: ${why}`)
  }

  /** Makes all rows of a projection that an entry concerns, then writes them: one that chokes on it stays as it was before. */
  #derive(
    projection: Projection,
    revision: number,
    affected: () => readonly string[],
    sinceParent?: number,
  ): void {
    if (this.quarantined.has(projection.name)) return
    const set = this.set(projection.name)
    const writes: DerivedWrite[] = []
    try {
      const keys = affected()
      for (const key of keys.length > 1 ? new Set(keys) : keys) {
        const row = set.row(key)
        const context = { now: this.#checkpoint.time, revision, before: set.dataOf(row), sinceParent }
        const made = projection.row(key, this.#resources, context)
        const data = made === undefined ? null : JSON.stringify(made.data)
        if (data === row.data) continue
        const isNew = row.data === null && made !== undefined
        const place = isNew ? { ...NOWHERE, slice: made.slice } : row.place
        writes.push({ row, place, data, parsed: made?.data })
      }
    } catch (error) {
      if (isSqliteError(error)) throw error
      this.#quarantine(projection.name, revision, error)
      return
    }
    for (const { row, place, data, parsed } of writes) set.write(row, place, revision, data, parsed)
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
