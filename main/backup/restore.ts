import { randomUUID } from 'node:crypto'
import { readdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { encodeRecord, type LogRecord } from '../../domains/kernel/record.ts'
import type { Registry } from '../../domains/kernel/registry.ts'
import { Rejection } from '../../domains/kernel/rejection.ts'
import type { Entry } from '../../log/log.ts'
import { writeLog } from '../../log/storage/offline.ts'
import type { NodeConfig } from '../config.ts'
import { readBackup } from './format.ts'
import { differing, type Replayed, replayBackup } from './replay.ts'

export interface RestoreOptions {
  readonly registry: Registry
  readonly directory: string
  readonly to: string | undefined
  readonly config: NodeConfig
  /** The id of the new history and its first moment: the same on all members of a cluster. */
  readonly history: string | undefined
  readonly time: number | undefined
  readonly onProgress?: (revision: number, of: number) => void
}

export interface Restored extends Replayed {
  /** The new history. */
  readonly newHistory: string
  readonly newTime: number
}

/**
 * Makes a data directory of a backup: the entries until the moment wanted, and one that begins a new history. Its digests at the
 * backup's revision are the recorded ones. Throws Rejection when the directory is not empty, BackupError for a damaged file: then nothing is made.
 */
export async function restoreBackup(path: string, options: RestoreOptions): Promise<Restored> {
  const { directory, registry, to, onProgress } = options
  const there = await readdir(directory).catch(() => [])
  if (there.length > 0)
    throw new Rejection('ALREADY_EXISTS', `${directory} is not empty: restore into a new directory`)
  const checked = await replayBackup(path, {
    registry,
    to,
    ...(onProgress === undefined ? {} : { onProgress }),
  })
  const wrong =
    checked.revision === checked.head.revision ? differing(checked.digests, checked.end.digests) : []
  if (wrong.length > 0)
    throw new Rejection(
      'INTERNAL',
      `replaying gives other rows than were backed up, in ${wrong.join(', ')}: nothing was restored`,
    )
  const newHistory = options.history ?? randomUUID()
  const newTime = Math.max(checked.time, options.time ?? Date.now())
  const clusterId = options.config.cluster?.id ?? checked.head.clusterId
  const record: LogRecord = {
    kind: 'history',
    time: newTime,
    history: newHistory,
    parent: checked.history,
    parentRevision: checked.revision,
  }
  const identity = { clusterId, memberId: options.config.cluster?.member ?? 1 }
  await writeLog(
    join(directory, 'chainfire'),
    identity,
    restored(path, checked.revision, encodeRecord(record)),
  )
  if (options.config.cluster === undefined)
    await writeFile(join(directory, 'cluster.id'), `${clusterId}\n`, { mode: 0o600 })
  return { ...checked, newHistory, newTime }
}

/** The entries of a backup up to a revision, and one more that begins the new history. */
async function* restored(path: string, revision: number, history: Uint8Array): AsyncGenerator<Entry> {
  let term = 1
  for await (const part of readBackup(path)) {
    if (part.type !== 'entries') continue
    for (const entry of part.entries) {
      if (entry.index > revision) break
      term = entry.term
      yield entry
    }
  }
  yield { index: revision + 1, term, kind: 'data', payload: history }
}
