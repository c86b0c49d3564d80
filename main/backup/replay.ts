import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Engine } from '../../domains/kernel/engine.ts'
import { decodeRecord, type LogRecord } from '../../domains/kernel/record.ts'
import type { Registry } from '../../domains/kernel/registry.ts'
import { reject } from '../../domains/kernel/rejection.ts'
import type { State } from '../../domains/kernel/state.ts'
import type { Entry } from '../../log/log.ts'
import { type Moment, parseMoment } from '../../projections/kernel/moment.ts'
import { type Checkpoint, type ProjectionDigest, ProjectionStore } from '../../projections/kernel/store.ts'
import { eventProjections, projections } from '../projections.ts'
import { type BackupEnd, BackupError, type BackupHead } from './format.ts'
import { readBackup } from './read.ts'

export interface Replayed {
  readonly head: BackupHead
  readonly end: BackupEnd
  /** The last entry that was replayed, and its time in milliseconds since 1970. */
  readonly revision: number
  readonly time: number
  /** The time of the first entry that has one. */
  readonly firstTime: number
  readonly history: string
  readonly digests: readonly ProjectionDigest[]
  /** The projections whose digest is not the recorded one; undefined where they cannot be compared. */
  readonly differing: readonly string[] | undefined
  readonly state: State
}

export interface ReplayOptions {
  readonly registry: Registry
  /** A revision, a time or how long ago: entries after it are checked, but not replayed. */
  readonly to: string | undefined
  readonly onProgress?: ((revision: number, of: number) => void) | undefined
  readonly signal?: AbortSignal | undefined
}

/**
 * Reads all of a backup, replays it into a state and into projections of its own, and says their digests. Throws BackupError for a
 * damaged file, Rejection for an entry that this build does not know, and for a moment that is not in it.
 */
export async function replayBackup(path: string, options: ReplayOptions): Promise<Replayed> {
  const moment = options.to === undefined ? undefined : parseMoment(options.to, Date.now())
  const directory = await mkdtemp(join(tmpdir(), 'ultracloud-replay-'))
  const replay = new Replay(join(directory, 'projections.sqlite'), options.registry, moment)
  let head: BackupHead | undefined
  let end: BackupEnd | undefined
  try {
    for await (const part of readBackup(path)) {
      options.signal?.throwIfAborted()
      if (part.type === 'head') head = part.head
      else if (part.type === 'end') end = part.end
      else {
        replay.take(part.entries)
        options.onProgress?.(part.entries.at(-1)?.index ?? 0, head?.revision ?? 0)
      }
    }
    if (head === undefined || end === undefined) throw new BackupError('it has no head or no end', 0, 0)
    const { checkpoint, firstTime, digests, layout, state } = replay
    checkMoment(moment, options.to ?? '', head, checkpoint)
    const comparable = checkpoint.revision === head.revision && layout === end.layout
    const differing = comparable ? differences(digests, end.digests) : undefined
    return { head, end, ...checkpoint, firstTime, digests, differing, state }
  } finally {
    replay.close()
    await rm(directory, { recursive: true, force: true })
  }
}

/** Takes entries until a moment, and leaves out what comes after it. */
class Replay {
  readonly #engine: Engine
  readonly #store: ProjectionStore
  readonly #moment: Moment | undefined
  #ended = false
  firstTime = 0

  constructor(path: string, registry: Registry, moment: Moment | undefined) {
    this.#engine = new Engine(registry)
    this.#store = new ProjectionStore(path, registry, projections, eventProjections)
    this.#store.beginLoad()
    this.#moment = moment
  }

  get checkpoint(): Checkpoint {
    return this.#store.checkpoint
  }

  get digests(): readonly ProjectionDigest[] {
    return this.#store.digests
  }

  get layout(): string {
    return this.#store.layout
  }

  get state(): State {
    return this.#engine.state
  }

  take(entries: readonly Entry[]): void {
    const applied: { revision: number; record: LogRecord | null }[] = []
    for (const { index, kind, payload } of entries) {
      const record = kind === 'noop' ? null : explained(index, () => decodeRecord(payload))
      this.#ended ||= this.#isPast(index, record)
      if (this.#ended) break
      if (record !== null) explained(index, () => this.#evolve(record, index))
      applied.push({ revision: index, record })
    }
    this.#store.apply(applied)
  }

  #evolve(record: LogRecord, revision: number): void {
    this.#engine.apply(record, revision)
    this.#engine.state.journal.take()
    if (this.firstTime === 0) this.firstTime = record.time
  }

  #isPast(revision: number, record: LogRecord | null): boolean {
    const moment = this.#moment
    if (moment === undefined) return false
    return 'revision' in moment ? revision > moment.revision : record !== null && record.time > moment.time
  }

  close(): void {
    this.#store.close()
  }
}

function explained<T>(revision: number, step: () => T): T {
  try {
    return step()
  } catch (error) {
    const cause = error instanceof Error ? error.message : String(error)
    return reject('INTERNAL', `revision ${revision} can not be replayed: ${cause}`, { revision })
  }
}

function checkMoment(
  moment: Moment | undefined,
  to: string,
  { revision: last }: BackupHead,
  { revision, history }: Checkpoint,
): void {
  if (moment !== undefined && 'revision' in moment && moment.revision > last)
    reject('REVISION_UNKNOWN', `the backup ends at revision ${last}; ${to} is not in it`, { revision: last })
  if (revision === 0 || history === '')
    reject('REVISION_UNKNOWN', `there was no cloud yet at ${to === '' ? 'the end of the backup' : to}`, {
      revision: last,
    })
}

function differences(
  found: readonly ProjectionDigest[],
  recorded: readonly ProjectionDigest[],
): readonly string[] {
  const wanted = new Map(recorded.map(({ projection, digest }) => [projection, digest]))
  const names = new Set([...found, ...recorded].map(({ projection }) => projection))
  const there = new Map(found.map(({ projection, digest }) => [projection, digest]))
  return [...names].filter((name) => wanted.get(name) !== there.get(name))
}
