import { join } from 'node:path'
import { blockEntriesDefault } from './chain.ts'
import type { Disk } from './disk.ts'
import { StorageError } from './errors.ts'
import { fileDisk } from './file-disk.ts'
import { readWhole, removeTemporaryFiles } from './files.ts'
import { type Identity, identityNames, type StoredIdentity, writeIdentity } from './identity.ts'
import { formatMarkFile } from './mark.ts'
import { markPath, segmentsDirectory, walDirectory } from './paths.ts'
import { Segments } from './segments.ts'
import { formatWal, walSeed } from './wal.ts'
import { isZero, sectorBytes } from './wal-group.ts'

/** What a directory is to become: a member of a new cluster, or one that lost its disk. */
export type Format = Pick<StoredIdentity, 'standing'> & Partial<Pick<StoredIdentity, 'blockEntries'>>

/**
 * Makes a blank directory a member's. The identity is written last: a crash before leaves a directory that can be formatted
 * again. Throws StorageError, also when the directory was formatted before or holds a log.
 */
export async function formatDirectory(
  directory: string,
  identity: Identity,
  format: Format,
  disk: Disk = fileDisk,
): Promise<void> {
  const { standing, blockEntries = blockEntriesDefault } = format
  await disk.makeDirectory(directory)
  await removeTemporaryFiles(disk, directory)
  await refuseOldFormat(disk, directory)
  if (await isFormatted(directory, disk))
    throw new StorageError('MISUSE', `${directory} was formatted before, and may hold a log`)
  await refuseLog(disk, directory)
  const mark = await formatWal(disk, walDirectory(directory), walSeed(identity))
  await Segments.open(disk, segmentsDirectory(directory), blockEntries)
  await formatMarkFile(disk, markPath(directory), mark)
  const origin = { index: 0, term: 0, checksum: 0 }
  await writeIdentity(directory, { ...identity, blockEntries, standing, origin }, disk)
}

/** Whether a directory has an identity, sound or not. */
export async function isFormatted(directory: string, disk: Disk = fileDisk): Promise<boolean> {
  const files = await Promise.all(identityNames.map((name) => disk.exists(join(directory, name))))
  return files.includes(true)
}

/** Throws OLD_FORMAT for a directory whose newest entries are in a database, as they were before there was a release. */
export async function refuseOldFormat(disk: Disk, directory: string): Promise<void> {
  if (!(await disk.exists(join(directory, 'log', 'CURRENT')))) return
  throw new StorageError(
    'OLD_FORMAT',
    `${directory} was written by a version before the first release, which no version reads any more. ` +
      'With that version, make a backup (ultracloud backup create); with this one, restore it into a new directory ' +
      '(ultracloud backup restore), or format a new one',
  )
}

/** Throws IDENTITY_DAMAGED when there is no identity beside what is a log. */
export async function refuseLog(disk: Disk, directory: string): Promise<void> {
  const segments = segmentsDirectory(directory)
  const isSealed = (await disk.exists(segments)) && (await disk.list(segments)).length > 0
  if (!isSealed && (await isBlankWal(disk, walDirectory(directory)))) return
  throw new StorageError(
    'IDENTITY_DAMAGED',
    `${directory} holds a log, and neither identity.json nor its copy. Restore one of them: it says whose log this is`,
  )
}

/** Nothing was written but the group of a fresh file, which fits a sector. */
async function isBlankWal(disk: Disk, directory: string): Promise<boolean> {
  const names = (await disk.exists(directory)) ? await disk.list(directory) : []
  for (const name of names) {
    const content = await readWhole(disk, join(directory, name))
    if (
      content !== undefined &&
      content.length > sectorBytes &&
      !isZero(content, sectorBytes, content.length)
    )
      return false
  }
  return true
}
