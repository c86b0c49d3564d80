import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Engine } from '../../domains/kernel/engine.ts'
import { decodeRecord } from '../../domains/kernel/record.ts'
import type { Registry } from '../../domains/kernel/registry.ts'
import { Rejection } from '../../domains/kernel/rejection.ts'
import type { Entry } from '../../log/log.ts'
import { type Moment, parseMoment } from '../../projections/kernel/moment.ts'
import { type ProjectionDigest, ProjectionStore } from '../../projections/kernel/store.ts'
import { eventProjections, projections } from '../projections.ts'
import { type BackupEnd, type BackupHead, readBackup } from './format.ts'

export interface Replayed {
  readonly head: BackupHead
  readonly end: BackupEnd
  /** The last entry that was replayed, and its time in milliseconds since 1970. */
  readonly revision: number
  readonly time: number
  readonly history: string
  readonly digests: readonly ProjectionDigest[]
}

export interface ReplayOptions {
  readonly registry: Registry
  /** A revision, a time or how long ago: entries after it are checked, but not replayed. */
  readonly to: string | undefined
  readonly onProgress?: (revision: number, of: number) => void
}

/** Reads all of a backup, replays it into a state and into projections of its own, and says their digests. Throws BackupError, EvolveError, Rejection. */
export async function replayBackup(path: string, options: ReplayOptions): Promise<Replayed> {
  const directory = await mkdtemp(join(tmpdir(), 'ultracloud-replay-'))
  const store = new ProjectionStore(
    join(directory, 'projections.sqlite'),
    options.registry,
    projections,
    eventProjections,
  )
  const engine = new Engine(options.registry)
  const moment = options.to === undefined ? undefined : parseMoment(options.to, Date.now())
  let head: BackupHead | undefined
  let end: BackupEnd | undefined
  let ended = false
  try {
    for await (const part of readBackup(path)) {
      if (part.type === 'head') head = part.head
      else if (part.type === 'end') end = part.end
      else if (!ended) {
        const taken = until(part.entries, moment)
        ended = taken.length < part.entries.length
        for (const { index, kind, payload } of taken) {
          if (kind === 'data') engine.apply(decodeRecord(payload), index)
          engine.state.journal.take()
        }
        store.apply(
          taken.map(({ index, kind, payload }) => ({
            revision: index,
            record: kind === 'noop' ? null : decodeRecord(payload),
          })),
        )
        options.onProgress?.(store.checkpoint.revision, head?.revision ?? 0)
      }
    }
    const { revision, time, history } = store.checkpoint
    if (head === undefined || end === undefined)
      throw new Rejection('INTERNAL', 'the backup has no head or no end')
    if (moment !== undefined && 'revision' in moment && moment.revision > revision) {
      throw new Rejection(
        'REVISION_UNKNOWN',
        `the backup ends at revision ${revision}; ${moment.revision} is not in it`,
      )
    }
    if (revision === 0) throw new Rejection('REVISION_UNKNOWN', `${options.to} is before the log began`)
    return { head, end, revision, time, history, digests: store.digests }
  } finally {
    store.close()
    await rm(directory, { recursive: true, force: true })
  }
}

function until(entries: readonly Entry[], moment: Moment | undefined): readonly Entry[] {
  if (moment === undefined) return entries
  if ('revision' in moment) return entries.filter(({ index }) => index <= moment.revision)
  const after = entries.findIndex(
    ({ kind, payload }) => kind === 'data' && decodeRecord(payload).time > moment.time,
  )
  return after === -1 ? entries : entries.slice(0, after)
}

/** The projections whose digest is not the one that was recorded. */
export function differing(
  found: readonly ProjectionDigest[],
  recorded: readonly ProjectionDigest[],
): readonly string[] {
  const wanted = new Map(recorded.map(({ projection, digest }) => [projection, digest]))
  return found
    .filter(({ projection, digest }) => wanted.get(projection) !== digest)
    .map(({ projection }) => projection)
}
