import { join } from 'node:path'
import type { HardState } from '../raft/types.ts'
import { type Disk, withFile } from './disk.ts'
import { decodeEntry, type StoredEntry } from './entry.ts'
import { restoreAdvice, StorageError } from './errors.ts'
import { readWhole } from './files.ts'
import type { Mark } from './mark.ts'
import { walName, walNumber } from './paths.ts'
import type { ChainEnd } from './segments.ts'
import { zeroWalFile } from './wal-files.ts'
import {
  decodeHeader,
  type GroupHeader,
  groupSectors,
  recordsOf,
  restoreGroup,
  sectorBytes,
} from './wal-group.ts'
import { splitRecords, WalIndex } from './wal-index.ts'
import { type FileScan, scanFile } from './wal-scan.ts'

const recentEntriesMax = 4096
const recentBytesMax = 16 * 1024 * 1024

/** What the sealed segments end with. */
export interface Sealed extends ChainEnd {
  readonly lastIndex: number
}

/** A write-ahead file that is in use: `baseIndex` is where the log ended when it was begun. */
export interface UsedFile {
  readonly number: number
  readonly bytes: number
  readonly baseIndex: number
}

/** What the write-ahead files hold, verified. */
export interface WalContent {
  readonly files: readonly UsedFile[]
  /** Where the next group belongs, in the last file. */
  readonly end: number
  /** A file that was made and not used yet. */
  readonly prepared: { readonly number: number; readonly bytes: number } | undefined
  /** Files that nothing needs, once the names of the segments are durable. */
  readonly obsolete: readonly number[]
  readonly last: GroupHeader
  readonly hardState: HardState
  readonly isVoter: boolean
  readonly lastIndex: number
  readonly lastCrc: number
  /** The newest unsealed entries, contiguous up to `lastIndex`. */
  readonly recent: readonly StoredEntry[]
  readonly index: WalIndex
}

/**
 * Reads and verifies the write-ahead files: every group follows the one before it, every entry its predecessor, the first one the
 * sealed segments; nothing that the mark names is missing. What a crash left unfinished is made zeros again. Throws StorageError.
 */
export async function openWal(
  disk: Disk,
  directory: string,
  seed: number,
  sealed: Sealed,
  mark: Mark,
): Promise<WalContent> {
  const { numbers, prepared, obsolete } = await usedFiles(disk, directory, seed, sealed.lastIndex)
  const reader = new WalReader(directory, new WalIndex(disk, directory, seed), sealed, mark)
  let end: FileScan | undefined
  for (const number of numbers) {
    const path = join(directory, walName(number))
    const content = (await readWhole(disk, path)) ?? Buffer.alloc(0)
    end = scanFile(content, seed)
    reader.take(content, end, number)
  }
  if (end === undefined) {
    if (prepared !== undefined) await reusable(disk, directory, seed, prepared, reader)
    throw reader.lost('there is no write-ahead file')
  }
  reader.checkEnd(end)
  const last = join(directory, walName(numbers.at(-1) ?? 0))
  // A process that was killed may have left what is read here in memory alone.
  await withFile(disk, last, 'write', (file) => file.sync())
  if (end.remains > 0) await zeroWalFile(disk, last, end.end, end.remains)
  const ready = prepared === undefined ? undefined : await reusable(disk, directory, seed, prepared, reader)
  return { ...reader.content(), end: end.end, prepared: ready, obsolete }
}

interface FoundFiles {
  /** Files that are needed, oldest first. */
  readonly numbers: readonly number[]
  /** The one behind them that holds no group. */
  readonly prepared: number | undefined
  /** Those before: all of their entries are sealed or were replaced. */
  readonly obsolete: readonly number[]
}

async function usedFiles(
  disk: Disk,
  directory: string,
  seed: number,
  sealedIndex: number,
): Promise<FoundFiles> {
  const names = (await disk.exists(directory)) ? await disk.list(directory) : []
  const there = names
    .map(walNumber)
    .filter((number) => number !== undefined)
    .sort((a, b) => b - a)
  const numbers: number[] = []
  let prepared: number | undefined
  const obsolete: number[] = []
  let isComplete = false
  for (const number of there) {
    const path = join(directory, walName(number))
    if (isComplete) {
      obsolete.push(number)
      continue
    }
    const expected = numbers[0] ?? prepared
    if (expected !== undefined && number !== expected - 1)
      throw damaged(`${join(directory, walName(expected - 1))} is missing`)
    const header = await firstGroup(disk, path, seed)
    if (header === undefined && numbers.length === 0 && prepared === undefined) {
      prepared = number
      continue
    }
    numbers.unshift(number)
    isComplete = header !== undefined && header.baseIndex <= sealedIndex
  }
  return { numbers, prepared, obsolete }
}

/** The header of the first group, if that is whole: a file counts from then on. */
async function firstGroup(disk: Disk, path: string, seed: number): Promise<GroupHeader | undefined> {
  return withFile(disk, path, 'read', async (file) => {
    const header = decodeHeader(await file.read(0, sectorBytes), 0, seed)
    if (header === undefined) return undefined
    const content = await file.read(0, groupSectors(header) * sectorBytes)
    return restoreGroup(content, 0, header, seed) === 'whole' ? header : undefined
  })
}

/** A file without a group: zeros, or what a crash left of its first group. Undefined when it is of no use. */
async function reusable(
  disk: Disk,
  directory: string,
  seed: number,
  number: number,
  reader: WalReader,
): Promise<{ readonly number: number; readonly bytes: number } | undefined> {
  const path = join(directory, walName(number))
  const content = (await readWhole(disk, path)) ?? Buffer.alloc(0)
  const scan = scanFile(content, seed)
  reader.checkUnused(scan)
  if (scan.remains > 0) await zeroWalFile(disk, path, 0, scan.remains)
  return { number, bytes: content.length }
}

function damaged(problem: string): StorageError {
  return new StorageError('TAIL_DAMAGED', `${problem}. ${restoreAdvice}`)
}

/** Follows the groups from the oldest file on. */
class WalReader {
  readonly #directory: string
  readonly #index: WalIndex
  readonly #sealed: Sealed
  readonly #mark: Mark
  readonly #files: UsedFile[] = []
  #last: GroupHeader | undefined
  #firstIndex = 0
  /** Of the entries from `#firstIndex` on. */
  #crcs: number[] = []
  #terms: number[] = []
  #recent: StoredEntry[] = []

  constructor(directory: string, index: WalIndex, sealed: Sealed, mark: Mark) {
    this.#directory = directory
    this.#index = index
    this.#sealed = sealed
    this.#mark = mark
  }

  /** Takes the groups of the next file. */
  take(content: Buffer, scan: FileScan, fileNumber: number): void {
    const first = scan.groups[0]?.header
    if (first === undefined) throw this.#damaged(scan.damage ?? 'its first group is gone')
    if (first.fileNumber !== fileNumber)
      throw damaged(`${this.#path(fileNumber)} holds file ${first.fileNumber}`)
    if (first.fileBytes !== content.length) throw damaged(`${this.#path(fileNumber)} is cut short`)
    if (this.#files.length === 0 && first.baseIndex > this.#sealed.lastIndex)
      throw damaged(
        `${this.#directory}: entries ${this.#sealed.lastIndex + 1} to ${first.baseIndex} are missing`,
      )
    this.#files.push({ number: fileNumber, bytes: content.length, baseIndex: first.baseIndex })
    for (const { header, offset } of scan.groups) this.#takeGroup(content, header, offset)
    this.#recent = newest(this.#recent).map(detached)
  }

  #takeGroup(content: Buffer, header: GroupHeader, offset: number): void {
    this.#checkLink(header)
    const { baseIndex, baseCrc, entries } = header
    this.#last = header
    this.#truncate(baseIndex, baseCrc)
    let previousCrc = baseCrc
    const records = splitRecords(recordsOf(content, offset, header), entries)
    for (const [position, record] of records.entries()) {
      const stored = this.#check(record, baseIndex + 1 + position, previousCrc)
      previousCrc = stored.crc
      this.#crcs.push(stored.crc)
      this.#terms.push(stored.entry.term)
      if (stored.entry.index > this.#sealed.lastIndex) this.#recent.push(stored)
    }
    const bytes = groupSectors(header) * sectorBytes
    const { fileNumber, link } = header
    this.#index.add(baseIndex, { fileNumber, offset, bytes, link, firstIndex: baseIndex + 1, count: entries })
  }

  #checkLink(header: GroupHeader): void {
    const { sequence, previousLink, baseIndex, baseCrc, link } = header
    if (this.#last === undefined) {
      this.#begin(baseIndex, baseCrc)
    } else if (sequence !== this.#last.sequence + 1 || previousLink !== this.#last.link) {
      throw this.#damaged('what was written before is gone')
    }
    if (baseIndex >= this.#firstIndex && this.#crcs[baseIndex - this.#firstIndex] !== baseCrc)
      throw this.#damaged('it does not follow the entry before it')
    if (sequence === this.#mark.sequence && link !== this.#mark.link)
      throw this.#damaged('it is not the one that was acknowledged')
  }

  /** The entry before the first one: it is sealed, or was replaced before those behind it were sealed. */
  #begin(baseIndex: number, baseCrc: number): void {
    this.#firstIndex = baseIndex
    this.#crcs = [baseCrc]
    this.#terms = [0]
  }

  #truncate(baseIndex: number, baseCrc: number): void {
    if (baseIndex < this.#firstIndex) this.#begin(baseIndex, baseCrc)
    this.#crcs.length = baseIndex - this.#firstIndex + 1
    this.#terms.length = this.#crcs.length
    while ((this.#recent.at(-1)?.entry.index ?? 0) > baseIndex) this.#recent.pop()
  }

  #check(record: Buffer, index: number, previousCrc: number): StoredEntry {
    let stored: StoredEntry
    try {
      stored = decodeEntry(record, 0)
    } catch (error) {
      throw this.#damaged(error instanceof Error ? error.message : String(error))
    }
    if (stored.entry.index !== index) throw this.#damaged(`it is stored as entry ${stored.entry.index}`)
    if (stored.previousCrc !== previousCrc) throw this.#damaged('it does not follow the entry before it')
    if (stored.entry.term < (this.#terms.at(-1) ?? 0))
      throw this.#damaged('its term is older than that of the entry before it')
    return stored
  }

  /** Behind the last group there must be nothing, or something that was never acknowledged. */
  checkEnd(scan: FileScan): void {
    if (scan.damage !== undefined) throw this.#damaged(scan.damage)
    if (scan.torn !== undefined && scan.torn.sequence <= this.#mark.sequence)
      throw this.#damaged('parts of it are gone')
    const { last, lastIndex } = this.#end()
    const { sequence, index, hardState } = this.#mark
    if (last.sequence < sequence) {
      const lost =
        lastIndex < index
          ? `entries ${lastIndex + 1} to ${index} were acknowledged and are gone`
          : `the term and vote of term ${hardState.term} were acknowledged and are gone`
      throw new StorageError('TAIL_VANISHED', `${this.#directory}: ${lost}. ${restoreAdvice}`)
    }
    if (lastIndex < this.#sealed.lastIndex)
      throw this.lost(
        `entries up to ${this.#sealed.lastIndex} are sealed, and the newest here is ${lastIndex}`,
      )
    if (this.#crcs[this.#sealed.lastIndex - this.#firstIndex] !== this.#sealed.lastCrc)
      throw this.#damaged(`entry ${this.#sealed.lastIndex} is not the one that was sealed`)
    const lastTerm = this.#terms.at(-1) ?? 0
    const least = Math.max(lastTerm, this.#sealed.lastTerm)
    if (lastIndex > this.#sealed.lastIndex && lastTerm < least)
      throw this.#damaged('its term is older than that of the entry before it')
    if (last.term < least)
      throw this.lost(`the term and vote of term ${least} were acknowledged and are gone`)
  }

  /** A file without a group in it. */
  checkUnused(scan: FileScan): void {
    if (scan.damage !== undefined) throw this.#damaged(scan.damage)
    const { sequence } = this.#end().last
    if (scan.torn !== undefined && scan.torn.sequence <= sequence) throw this.#damaged('it is there twice')
  }

  content(): Omit<WalContent, 'end' | 'prepared' | 'obsolete'> {
    const { last, lastIndex } = this.#end()
    return {
      files: this.#files,
      last,
      hardState: { term: last.term, vote: last.vote },
      isVoter: last.isVoter,
      lastIndex,
      lastCrc: this.#crcs.at(-1) ?? 0,
      recent: this.#recent,
      index: this.#index,
    }
  }

  lost(problem: string): StorageError {
    return new StorageError('TAIL_VANISHED', `${this.#directory}: ${problem}. ${restoreAdvice}`)
  }

  #end(): { readonly last: GroupHeader; readonly lastIndex: number } {
    if (this.#last === undefined) throw this.lost('there is no group')
    return { last: this.#last, lastIndex: this.#firstIndex + this.#crcs.length - 1 }
  }

  #damaged(problem: string): StorageError {
    const next = this.#last === undefined ? 'the oldest file' : `what follows entry ${this.#end().lastIndex}`
    return damaged(`${this.#directory}: ${next} was acknowledged and is damaged (${problem})`)
  }

  #path(fileNumber: number): string {
    return join(this.#directory, walName(fileNumber))
  }
}

/** The last of them, within bounds. */
function newest(stored: readonly StoredEntry[]): readonly StoredEntry[] {
  let bytes = 0
  let first = stored.length
  while (first > 0 && stored.length - first < recentEntriesMax) {
    bytes += stored[first - 1]?.entry.payload.length ?? 0
    if (bytes > recentBytesMax) break
    first -= 1
  }
  return stored.slice(first)
}

/** Apart from the bytes of the file that it was read from, so that these are not kept for a few entries. */
function detached(stored: StoredEntry): StoredEntry {
  const { entry } = stored
  return { ...stored, entry: { ...entry, payload: Buffer.from(entry.payload) } }
}
