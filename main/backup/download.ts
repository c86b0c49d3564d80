import { createHash } from 'node:crypto'
import { access, link, open, rename, rm } from 'node:fs/promises'
import { basename, dirname, join, resolve } from 'node:path'
import { reject } from '../../domains/kernel/rejection.ts'
import type { BackupChunk } from '../../edges/control_plane.ts'
import { syncDirectory } from '../../log/storage/files.ts'
import type { BackupHead } from './format.ts'
import { readBackup } from './read.ts'

export interface SavedBackup {
  readonly head: BackupHead
  readonly bytes: number
  /** SHA-256 of the file, in hexadecimal. */
  readonly sha256: string
}

export interface SaveOptions {
  /** A file that is there is replaced. */
  readonly force: boolean
  readonly signal: AbortSignal
  readonly onProgress?: ((revision: number, of: number, bytes: number) => void) | undefined
}

/**
 * Saves a backup as a file of mode 0600. It is written under another name, read again, checked and synced, and only then gets its name:
 * what has the name is whole. Throws Rejection ALREADY_EXISTS without `force`, NOT_FOUND without a directory for it, BackupError when what came is not sound, and the signal's reason.
 */
export async function saveBackup(
  path: string,
  chunks: AsyncIterable<BackupChunk>,
  options: SaveOptions,
): Promise<SavedBackup> {
  const { force, signal } = options
  if (!force) await refuseExisting(path)
  const whole = resolve(path)
  await access(dirname(whole)).catch(() => reject('NOT_FOUND', `there is no directory ${dirname(whole)}`))
  const partial = join(dirname(whole), `.${basename(whole)}.${process.pid}.partial`)
  try {
    const { bytes, sha256 } = await write(partial, chunks, options)
    const head = await check(partial, signal)
    signal.throwIfAborted()
    if (force) await rename(partial, whole)
    else await link(partial, whole).catch((error: NodeJS.ErrnoException) => taken(path, error))
    await syncDirectory(dirname(whole))
    return { head, bytes, sha256 }
  } finally {
    await rm(partial, { force: true })
  }
}

async function refuseExisting(path: string): Promise<void> {
  const there = await access(path).then(
    () => true,
    () => false,
  )
  if (there) reject('ALREADY_EXISTS', `${path} is there already: take another name, or --force`)
}

function taken(path: string, error: NodeJS.ErrnoException): never {
  if (error.code !== 'EEXIST') throw error
  return reject('ALREADY_EXISTS', `${path} is there already: take another name, or --force`)
}

async function write(
  path: string,
  chunks: AsyncIterable<BackupChunk>,
  { signal, onProgress }: SaveOptions,
): Promise<{ bytes: number; sha256: string }> {
  const file = await open(path, 'wx', 0o600)
  const hash = createHash('sha256')
  let bytes = 0
  try {
    for await (const { data, revision, of } of chunks) {
      signal.throwIfAborted()
      hash.update(data)
      await file.writeFile(data)
      bytes += data.length
      onProgress?.(revision, of, bytes)
    }
    signal.throwIfAborted()
    await file.sync()
  } finally {
    await file.close()
  }
  return { bytes, sha256: hash.digest('hex') }
}

async function check(path: string, signal: AbortSignal): Promise<BackupHead> {
  let head: BackupHead | undefined
  for await (const part of readBackup(path)) {
    signal.throwIfAborted()
    if (part.type === 'head') head = part.head
  }
  return head ?? reject('INTERNAL', 'a backup without a head was taken for a sound one')
}
