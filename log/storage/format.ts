import { mkdir, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { blockEntriesDefault } from './chain.ts'
import { StorageError } from './errors.ts'
import { removeTemporaryFiles } from './files.ts'
import { type Identity, identityNames, type StoredIdentity, writeIdentity } from './identity.ts'
import { formatMarkFile } from './mark.ts'
import { markPath, tailDirectory } from './paths.ts'
import { Segments } from './segments.ts'
import { Tail } from './tail.ts'

/** What a directory is to become: a member of a new cluster, or one that lost its disk. */
export type Format = Pick<StoredIdentity, 'standing'> & Partial<Pick<StoredIdentity, 'blockEntries'>>

/**
 * Makes a blank directory a member's. The identity is written last: a crash before leaves a directory that can be formatted
 * again. Throws StorageError, also when the directory was formatted before or holds a log.
 */
export async function formatDirectory(directory: string, identity: Identity, format: Format): Promise<void> {
  const { standing, blockEntries = blockEntriesDefault } = format
  await mkdir(directory, { recursive: true, mode: 0o700 })
  await removeTemporaryFiles(directory)
  if (await isFormatted(directory))
    throw new StorageError('MISUSE', `${directory} was formatted before, and may hold a log`)
  await refuseLog(directory)
  const tail = await Tail.open(tailDirectory(directory))
  await tail.close()
  await Segments.open(join(directory, 'segments'), blockEntries)
  await formatMarkFile(markPath(directory))
  const origin = { index: 0, term: 0, checksum: 0 }
  await writeIdentity(directory, { ...identity, blockEntries, standing, origin })
}

/** Whether a directory has an identity, sound or not. */
export async function isFormatted(directory: string): Promise<boolean> {
  const files = await Promise.all(identityNames.map((name) => exists(join(directory, name))))
  return files.includes(true)
}

/** Throws IDENTITY_DAMAGED when there is no identity beside what is a log. */
export async function refuseLog(directory: string): Promise<void> {
  if (!(await exists(tailDirectory(directory))) && !(await exists(join(directory, 'segments')))) return
  const tail = await Tail.open(tailDirectory(directory))
  try {
    const segments = await Segments.open(join(directory, 'segments'), blockEntriesDefault).catch(
      () => undefined,
    )
    const isBlank = segments?.count === 0 && (await tail.isBlank())
    if (!isBlank)
      throw new StorageError(
        'IDENTITY_DAMAGED',
        `${directory} holds a log, and neither identity.json nor its copy. Restore one of them: it says whose log this is`,
      )
  } finally {
    await tail.close()
  }
}

async function exists(path: string): Promise<boolean> {
  return stat(path).then(
    () => true,
    () => false,
  )
}
