import { join } from 'node:path'
import { crc32 } from 'node:zlib'
import type { HardState } from '../raft/types.ts'
import type { Disk, DiskFile } from './disk.ts'
import type { Identity } from './identity.ts'
import type { Mark } from './mark.ts'
import { walName } from './paths.ts'
import { createWalFile, walFileBytes } from './wal-files.ts'
import { encodeGroup, sectorBytes, sectorsOf } from './wal-group.ts'
import type { WalIndex } from './wal-index.ts'
import type { UsedFile, WalContent } from './wal-open.ts'

/** What one write makes durable. */
export interface GroupWrite {
  /** Null when it is what it was. */
  readonly hardState: HardState | null
  readonly becomesVoter: boolean
  /** The last entry that is kept, and the CRC of its record; the records follow it. */
  readonly baseIndex: number
  readonly baseCrc: number
  readonly records: readonly Buffer[]
  readonly recordBytes: number
  readonly entries: number
}

/** Makes the files of one member its own. */
export function walSeed({ clusterId, memberId }: Identity): number {
  return crc32(`${clusterId}\n${memberId}`)
}

/** The first file of a new member, with a first group that holds nothing. Returns the mark that names it. */
export async function formatWal(disk: Disk, directory: string, seed: number): Promise<Mark> {
  await disk.makeDirectory(directory)
  const fileBytes = walFileBytes(disk, 1, 0)
  const hardState = { term: 0, vote: 0 }
  const state = { ...hardState, isVoter: false, baseIndex: 0, baseCrc: 0, entries: 0 }
  const fields = { sequence: 1, previousLink: 0, fileNumber: 1, fileBytes, ...state }
  const { content, link } = encodeGroup(fields, [], 0, seed)
  await createWalFile(disk, directory, 1, fileBytes, content)
  return { sequence: 1, link, index: 0, hardState }
}

interface WalFile {
  readonly number: number
  readonly bytes: number
}

/**
 * The unsealed end of the log and the hard state, in write-ahead files of our own. A group is one write into zeros that were
 * allocated before: one sync of data, and none of the file system's metadata.
 */
export class Wal {
  readonly index: WalIndex
  readonly #disk: Disk
  readonly #directory: string
  readonly #seed: number
  /** Oldest first; the last one is written to. */
  readonly #files: UsedFile[]
  #handle: DiskFile
  #end: number
  #prepared: Promise<WalFile> | undefined
  #removing = Promise.resolve()
  #hardState: HardState
  #isVoter: boolean
  #sequence: number
  #link: number

  constructor(disk: Disk, directory: string, seed: number, content: WalContent, handle: DiskFile) {
    this.#disk = disk
    this.#directory = directory
    this.#seed = seed
    this.index = content.index
    this.#files = [...content.files]
    this.#handle = handle
    this.#end = content.end
    this.#prepared = content.prepared === undefined ? undefined : Promise.resolve(content.prepared)
    this.#hardState = content.hardState
    this.#isVoter = content.isVoter
    this.#sequence = content.last.sequence
    this.#link = content.last.link
  }

  static async open(disk: Disk, directory: string, seed: number, content: WalContent): Promise<Wal> {
    const number = content.files.at(-1)?.number ?? 0
    const handle = await disk.open(join(directory, walName(number)), 'durable')
    return new Wal(disk, directory, seed, content, handle)
  }

  /** Durable once it resolves. One at a time. Returns the mark that names it. */
  async append(group: GroupWrite): Promise<Mark> {
    const sectors = sectorsOf(group.recordBytes)
    const file = await this.#fileFor(sectors * sectorBytes, group.baseIndex)
    const { baseIndex, baseCrc, entries, recordBytes } = group
    const hardState = group.hardState ?? this.#hardState
    const isVoter = this.#isVoter || group.becomesVoter
    const sequence = this.#sequence + 1
    const state = { ...hardState, isVoter, baseIndex, baseCrc, entries }
    const place = { sequence, previousLink: this.#link, fileNumber: file.number, fileBytes: file.bytes }
    const { content, link } = encodeGroup({ ...place, ...state }, group.records, recordBytes, this.#seed)
    const offset = this.#end
    await this.#handle.write(content, offset)
    this.#end += content.length
    this.#hardState = hardState
    this.#isVoter = isVoter
    this.#sequence = sequence
    this.#link = link
    const bytes = content.length
    this.index.add(baseIndex, {
      fileNumber: file.number,
      offset,
      bytes,
      link,
      firstIndex: baseIndex + 1,
      count: entries,
    })
    if (this.#end > file.bytes / 2) this.#prepare(0)
    return { sequence, link, index: baseIndex + entries, hardState }
  }

  /** Removes files that hold nothing but what is sealed, in the background. */
  forget(sealedIndex: number): void {
    this.index.forget(sealedIndex)
    const kept = this.#files.findLastIndex(({ baseIndex }) => baseIndex <= sealedIndex)
    const removed = kept < 1 ? [] : this.#files.splice(0, kept)
    for (const { number } of removed)
      this.#removing = this.#removing.then(() => this.#disk.remove(join(this.#directory, walName(number))))
  }

  async close(): Promise<void> {
    await this.#prepared?.catch(() => undefined)
    await this.#removing.catch(() => undefined)
    await this.#handle.close()
  }

  /** The file that takes a group of so many bytes: the present one, or the next. */
  async #fileFor(groupBytes: number, baseIndex: number): Promise<UsedFile> {
    const present = this.#present()
    if (this.#end + groupBytes <= present.bytes) return present
    this.#prepare(groupBytes)
    let next = await this.#prepared
    if (next === undefined || next.bytes < groupBytes)
      next = await this.#create(present.number + 1, groupBytes)
    const handle = await this.#disk.open(join(this.#directory, walName(next.number)), 'durable')
    await this.#handle.close()
    this.#handle = handle
    this.#end = 0
    this.#prepared = undefined
    const file = { ...next, baseIndex }
    this.#files.push(file)
    return file
  }

  #present(): UsedFile {
    const present = this.#files.at(-1)
    if (present === undefined) throw new RangeError('there is no write-ahead file')
    return present
  }

  /** Makes the next file, so that it is there when it is needed. */
  #prepare(groupBytes: number): void {
    if (this.#prepared !== undefined) return
    this.#prepared = this.#create(this.#present().number + 1, groupBytes)
    this.#prepared.catch(() => undefined)
  }

  async #create(number: number, groupBytes: number): Promise<WalFile> {
    const bytes = walFileBytes(this.#disk, number, groupBytes)
    await createWalFile(this.#disk, this.#directory, number, bytes)
    return { number, bytes }
  }
}
