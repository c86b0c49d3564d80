import { join } from 'node:path'
import type { Standing } from '../raft/types.ts'
import type { Disk } from './disk.ts'
import { formatAdvice, StorageError } from './errors.ts'
import { removeTemporaryFiles } from './files.ts'
import { isFormatted, refuseLog, refuseOldFormat } from './format.ts'
import { checkIdentity, type Identity, readIdentity, type StoredIdentity } from './identity.ts'
import { MarkFile } from './mark.ts'
import { markPath, segmentsDirectory, walDirectory, walName } from './paths.ts'
import { Segments } from './segments.ts'
import { Wal, walSeed } from './wal.ts'
import { openWal, type WalContent } from './wal-open.ts'

/** What a verified directory consists of. */
export interface OpenParts {
  readonly identity: StoredIdentity
  readonly standing: Standing
  /** What was damaged and is sound again. */
  readonly repairs: readonly string[]
  readonly content: WalContent
  readonly wal: Wal
  readonly segments: Segments
  readonly mark: MarkFile
  readonly unlock: () => void
}

/** Opens and verifies a directory that was formatted. Throws StorageError. */
export async function openParts(disk: Disk, directory: string, wanted: Identity): Promise<OpenParts> {
  await refuseOldFormat(disk, directory)
  if (!(await isFormatted(directory, disk))) {
    await refuseLog(disk, directory)
    throw new StorageError('NOT_FORMATTED', `${directory} is blank. ${formatAdvice}`)
  }
  const unlock = await disk.lock(directory)
  try {
    return { ...(await openLocked(disk, directory, wanted)), unlock }
  } catch (error) {
    unlock()
    throw error
  }
}

async function openLocked(
  disk: Disk,
  directory: string,
  wanted: Identity,
): Promise<Omit<OpenParts, 'unlock'>> {
  const known = await readIdentity(disk, directory)
  if (known === undefined) throw new StorageError('NOT_FORMATTED', `${directory} is blank. ${formatAdvice}`)
  const { identity, repairs } = known
  checkIdentity(directory, identity, wanted)
  await removeTemporaryFiles(disk, directory)
  const segments = await Segments.open(disk, segmentsDirectory(directory), identity.blockEntries)
  const mark = await MarkFile.open(disk, markPath(directory))
  try {
    const walAt = walDirectory(directory)
    const seed = walSeed(identity)
    const sealed = { ...segments.end, lastIndex: segments.lastIndex }
    const content = await openWal(disk, walAt, seed, sealed, mark.mark)
    await removeTemporaryFiles(disk, walAt)
    // Names that a killed process did not live to sync count from now on, too.
    for (const each of [directory, segmentsDirectory(directory), walAt]) await disk.syncDirectory(each)
    const { last, lastIndex, hardState } = content
    await mark.write({ sequence: last.sequence, link: last.link, index: lastIndex, hardState })
    for (const number of content.obsolete) await disk.remove(join(walAt, walName(number)))
    const wal = await Wal.open(disk, walAt, seed, content)
    return { identity, standing: standingOf(identity, content), repairs, content, wal, segments, mark }
  } catch (error) {
    await mark.close()
    throw error
  }
}

/**
 * A member that was formatted for a new cluster and has moved since was a voter, or took entries of others; where the
 * write-ahead files do not say which, it recovers.
 */
function standingOf(identity: StoredIdentity, content: WalContent): Standing {
  if (content.isVoter) return 'voter'
  const { origin, standing } = identity
  const { term, vote } = content.hardState
  const hasMoved = content.lastIndex !== origin.index || term !== origin.term || vote !== 0
  return hasMoved ? 'recovering' : standing
}
