import { join } from 'node:path'
import type { HardState, Standing } from '../raft/types.ts'
import { decodeEntry, type StoredEntry } from './entry.ts'
import { formatAdvice, restoreAdvice, StorageError } from './errors.ts'
import { removeTemporaryFiles } from './files.ts'
import { refuseLog } from './format.ts'
import { checkIdentity, type Identity, readIdentity, type StoredIdentity } from './identity.ts'
import { type Mark, MarkFile } from './mark.ts'
import { markPath, tailDirectory } from './paths.ts'
import { Segments } from './segments.ts'
import { Tail, TailBatch } from './tail.ts'

const recentMax = 4096

/** What a verified directory consists of. */
export interface OpenParts {
  readonly identity: StoredIdentity
  readonly standing: Standing
  /** What was damaged and is sound again. */
  readonly repairs: readonly string[]
  readonly tail: Tail
  readonly segments: Segments
  readonly mark: MarkFile
  readonly hardState: HardState
  readonly lastIndex: number
  readonly lastCrc: number
  /** The newest entries of the tail, contiguous up to `lastIndex`. */
  readonly recent: readonly StoredEntry[]
}

/** Opens and verifies a directory that was formatted. Throws StorageError. */
export async function openParts(directory: string, wanted: Identity): Promise<OpenParts> {
  const known = await readIdentity(directory)
  if (known === undefined) {
    await refuseLog(directory)
    throw new StorageError('NOT_FORMATTED', `${directory} is blank. ${formatAdvice}`)
  }
  const { identity, repairs } = known
  checkIdentity(directory, identity, wanted)
  await removeTemporaryFiles(directory)
  const tail = await Tail.open(tailDirectory(directory))
  try {
    const segments = await Segments.open(join(directory, 'segments'), identity.blockEntries)
    const mark = await MarkFile.open(markPath(directory))
    try {
      const verified = await verify(directory, tail, segments, mark.mark)
      await advance(mark, verified)
      const standing = standingOf(identity, tail, verified)
      return { identity, standing, repairs, tail, segments, mark, ...verified }
    } catch (error) {
      await mark.close()
      throw error
    }
  } catch (error) {
    await tail.close()
    throw error
  }
}

type Verified = Pick<OpenParts, 'hardState' | 'lastIndex' | 'lastCrc' | 'recent'>

async function verify(directory: string, tail: Tail, segments: Segments, mark: Mark): Promise<Verified> {
  const sealed = segments.lastIndex
  if (mark.index < sealed) {
    throw new StorageError(
      'MARK_DAMAGED',
      `${markPath(directory)} says ${mark.index}, but entries up to ${sealed} are sealed. ${restoreAdvice}`,
    )
  }
  const { recent, lastIndex, lastCrc, lastTerm, markedCrc } = await scan(directory, tail, segments, mark)
  if (lastIndex < mark.index) {
    throw new StorageError(
      'TAIL_VANISHED',
      `${directory}: entries ${lastIndex + 1} to ${mark.index} were acknowledged and are gone. ${restoreAdvice}`,
    )
  }
  if (markedCrc !== mark.crc) {
    throw new StorageError(
      'TAIL_DAMAGED',
      `${directory}: entry ${mark.index} is not the one that was acknowledged. ${restoreAdvice}`,
    )
  }
  const hardState = verifyHardState(directory, tail, mark, lastTerm)
  return { hardState, lastIndex, lastCrc, recent }
}

/** What a crash left behind the mark counts as stored from now on. LevelDB has synced it while it recovered. */
async function advance(mark: MarkFile, { hardState, lastIndex, lastCrc }: Verified): Promise<void> {
  const { term, vote } = mark.mark.hardState
  if (mark.mark.index === lastIndex && term === hardState.term && vote === hardState.vote) return
  await mark.write({ index: lastIndex, crc: lastCrc, hardState })
}

interface Scanned {
  readonly recent: readonly StoredEntry[]
  readonly lastIndex: number
  readonly lastCrc: number
  readonly lastTerm: number
  readonly markedCrc: number
}

/** Reads the whole tail; cuts off what is damaged behind the mark, since that was never acknowledged. */
async function scan(directory: string, tail: Tail, segments: Segments, mark: Mark): Promise<Scanned> {
  const sealed = segments.lastIndex
  if (sealed > 0) await tail.forget(await firstStored(tail), sealed)
  let { lastCrc, lastTerm } = segments.end
  let lastIndex = sealed
  let markedCrc = mark.index === sealed ? lastCrc : 0
  let recent: StoredEntry[] = []
  for await (const slice of tail.records(sealed + 1, Number.MAX_SAFE_INTEGER)) {
    for (const { index, record } of slice) {
      const problem = problemOf(record, index, lastIndex, lastCrc, lastTerm)
      if (typeof problem === 'string') {
        if (lastIndex < mark.index) {
          const lost = `${directory}: entry ${lastIndex + 1} was acknowledged and is damaged (${problem})`
          throw new StorageError('TAIL_DAMAGED', `${lost}. ${restoreAdvice}`)
        }
        await cutOff(tail, lastIndex + 1)
        return { recent, lastIndex, lastCrc, lastTerm, markedCrc }
      }
      lastIndex = index
      lastCrc = problem.crc
      lastTerm = problem.entry.term
      if (index === mark.index) markedCrc = lastCrc
      recent.push(problem)
    }
    if (recent.length > 2 * recentMax) recent = recent.slice(-recentMax)
  }
  return { recent, lastIndex, lastCrc, lastTerm, markedCrc }
}

function problemOf(
  record: Buffer,
  index: number,
  lastIndex: number,
  lastCrc: number,
  lastTerm: number,
): StoredEntry | string {
  if (index !== lastIndex + 1) return `entries ${lastIndex + 1} to ${index - 1} are missing`
  let stored: StoredEntry
  try {
    stored = decodeEntry(record, 0)
  } catch (error) {
    return error instanceof Error ? error.message : String(error)
  }
  if (stored.entry.index !== index) return `it is stored as entry ${stored.entry.index}`
  if (stored.previousCrc !== lastCrc) return 'it does not follow the entry before it'
  return stored.entry.term < lastTerm ? 'its term is older than that of the entry before it' : stored
}

async function firstStored(tail: Tail): Promise<number> {
  for await (const slice of tail.records(0, Number.MAX_SAFE_INTEGER)) {
    return slice[0]?.index ?? Number.MAX_SAFE_INTEGER
  }
  return Number.MAX_SAFE_INTEGER
}

async function cutOff(tail: Tail, from: number): Promise<void> {
  const batch = new TailBatch()
  for await (const slice of tail.records(from, Number.MAX_SAFE_INTEGER)) {
    for (const { index } of slice) batch.deleteRecords(index, index)
  }
  await tail.write(batch)
}

function verifyHardState(directory: string, tail: Tail, mark: Mark, lastTerm: number): HardState {
  let hardState: HardState
  try {
    hardState = tail.hardState() ?? { term: 0, vote: 0 }
  } catch (error) {
    const cause = error instanceof Error ? error.message : String(error)
    throw new StorageError('TAIL_DAMAGED', `${directory}: ${cause}. ${restoreAdvice}`)
  }
  const acknowledged = mark.hardState
  const voteKept =
    hardState.term !== acknowledged.term || acknowledged.vote === 0 || hardState.vote === acknowledged.vote
  if (hardState.term < acknowledged.term || !voteKept || hardState.term < lastTerm) {
    const least = Math.max(acknowledged.term, lastTerm)
    throw new StorageError(
      'TAIL_VANISHED',
      `${directory}: the term and vote of term ${least} were acknowledged and are gone. ${restoreAdvice}`,
    )
  }
  return hardState
}

/**
 * A member that was formatted for a new cluster and has moved since was a voter, or took entries of others; where the
 * database does not say which, it recovers.
 */
function standingOf(identity: StoredIdentity, tail: Tail, verified: Verified): Standing {
  if (tail.isVoter()) return 'voter'
  const { origin, standing } = identity
  const { term, vote } = verified.hardState
  const hasMoved = verified.lastIndex !== origin.index || term !== origin.term || vote !== 0
  return hasMoved ? 'recovering' : standing
}
