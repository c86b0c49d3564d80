import { stat } from 'node:fs/promises'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { StorageError } from './errors.ts'

/**
 * Takes a directory for this process, by an exclusive lock of the operating system on the empty file `lock` in it: it ends with the
 * process, however that ends. Node has no such lock of its own; SQLite, which comes with it, takes one for a transaction, and
 * keeps two openers within one process apart, too. Throws LOCKED.
 */
export async function lockDirectory(directory: string): Promise<() => void> {
  await stat(directory)
  const database = new DatabaseSync(join(directory, 'lock'), { timeout: 0 })
  try {
    database.exec('PRAGMA locking_mode = EXCLUSIVE; PRAGMA journal_mode = MEMORY; BEGIN EXCLUSIVE')
  } catch (error) {
    database.close()
    const isLocked = error instanceof Error && 'errcode' in error && error.errcode === 5
    if (!isLocked) throw error
    throw new StorageError('LOCKED', `${directory} is in use by another process`)
  }
  return () => database.close()
}
