import { randomUUID } from 'node:crypto'
import { mkdir, readdir, rename, rm } from 'node:fs/promises'
import { basename, dirname, join, resolve } from 'node:path'
import { encodeRecord, type LogRecord } from '../../domains/kernel/record.ts'
import type { Registry } from '../../domains/kernel/registry.ts'
import { reject } from '../../domains/kernel/rejection.ts'
import type { Entry } from '../../log/log.ts'
import { syncDirectory, writeFileDurably } from '../../log/storage/files.ts'
import { writeLog } from '../../log/storage/offline.ts'
import type { NodeConfig } from '../config.ts'
import { readOrCreate } from '../secrets.ts'
import { readBackup } from './read.ts'
import { type Replayed, replayBackup } from './replay.ts'

export interface RestoreOptions {
  readonly registry: Registry
  readonly directory: string
  /** A revision, a time or how long ago; undefined: all of the backup. */
  readonly to: string | undefined
  readonly config: NodeConfig
  /** The new history's id and first moment: the same on all members of a cluster; undefined for the first of them. */
  readonly beginning: { readonly history: string; readonly time: number } | undefined
  readonly onProgress?: ((what: 'replay' | 'write', revision: number, of: number) => void) | undefined
  readonly signal?: AbortSignal | undefined
}

export interface Restored extends Replayed {
  /** The new history, its first entry, and that one's time in milliseconds since 1970. */
  readonly newHistory: string
  readonly newRevision: number
  readonly newTime: number
}

/**
 * Makes a data directory of a backup: the entries until the moment wanted, and one that begins a new history. Its digests at the
 * backup's revision are the recorded ones. It is made beside its place and then renamed: all of it or nothing.
 * Throws Rejection ALREADY_EXISTS when the directory is not empty, and what `replayBackup` throws.
 */
export async function restoreBackup(path: string, options: RestoreOptions): Promise<Restored> {
  const { registry, to, onProgress, signal } = options
  const directory = resolve(options.directory)
  const there = await readdir(directory).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return []
    throw error
  })
  if (there.length > 0)
    reject('ALREADY_EXISTS', `${options.directory} is not empty: restore into a new directory`)
  const replayed = await replayBackup(path, {
    registry,
    to,
    onProgress: (revision, of) => onProgress?.('replay', revision, of),
    signal,
  })
  if (replayed.differing !== undefined && replayed.differing.length > 0)
    reject(
      'INTERNAL',
      `replaying gives other rows than were backed up, in ${replayed.differing.join(', ')}: nothing was restored`,
    )
  const { history, time } = options.beginning ?? { history: randomUUID(), time: Date.now() }
  const restored = {
    ...replayed,
    newHistory: history,
    newRevision: replayed.revision + 1,
    newTime: Math.max(time, replayed.time),
  }
  const making = join(dirname(directory), `.${basename(directory)}.${process.pid}.restoring`)
  await mkdir(making, { recursive: true, mode: 0o700 })
  try {
    await fill(making, path, restored, options)
    await rename(making, directory).catch((error: NodeJS.ErrnoException) => {
      if (error.code !== 'EBUSY' && error.code !== 'EXDEV') throw error
      reject('FAILED_PRECONDITION', `${options.directory} is a mount point: restore into a directory in it`)
    })
    await syncDirectory(dirname(directory))
  } catch (error) {
    await rm(making, { recursive: true, force: true })
    throw error
  }
  return restored
}

async function fill(
  directory: string,
  path: string,
  restored: Restored,
  { config: { cluster }, onProgress, signal }: RestoreOptions,
): Promise<void> {
  const clusterId = cluster?.id ?? restored.head.clusterId
  const identity = { clusterId, memberId: cluster?.member ?? 1 }
  async function* watched(): AsyncGenerator<Entry> {
    for await (const entry of entriesOf(path, restored)) {
      if (entry.index % 1000 === 0) onProgress?.('write', entry.index, restored.newRevision)
      signal?.throwIfAborted()
      yield entry
    }
  }
  const { lastIndex } = await writeLog(join(directory, 'chainfire'), identity, watched())
  if (lastIndex !== restored.newRevision)
    throw new RangeError(`${lastIndex} entries were written, not ${restored.newRevision}`)
  if (cluster === undefined) await readOrCreate(join(directory, 'cluster.id'), () => clusterId)
  const origin = `${JSON.stringify(originOf(restored), null, 2)}\n`
  await writeFileDurably(join(directory, 'restored.json'), origin)
}

/** The entries of a backup up to the revision wanted, and one more that begins the new history. */
async function* entriesOf(path: string, restored: Restored): AsyncGenerator<Entry> {
  const { revision, history, newRevision, newHistory, newTime } = restored
  let term = 1
  for await (const part of readBackup(path)) {
    if (part.type !== 'entries') continue
    for (const entry of part.entries) {
      if (entry.index > revision) break
      term = entry.term
      yield entry
    }
  }
  const record: LogRecord = {
    kind: 'history',
    time: newTime,
    history: newHistory,
    parent: history,
    parentRevision: revision,
  }
  yield { index: newRevision, term, kind: 'data', payload: encodeRecord(record) }
}

/** What a restored directory tells of where it comes from. */
function originOf({ head, revision, history, newRevision, newHistory, newTime }: Restored): object {
  return { backup: head, revision, history, newRevision, newHistory, newTime }
}
