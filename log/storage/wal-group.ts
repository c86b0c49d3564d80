import { crc32 } from 'node:zlib'
import { readUint53, writeUint53 } from './entry.ts'

/**
 * A group is what one write makes durable: the state of the member after it, and the entries that follow `baseIndex`, in
 * place of all that was there before. It fills whole sectors of 512 bytes, the unit that a disk writes or does not
 * write. Numbers are big-endian.
 *
 * | offset | bytes | field |
 * | --- | --- | --- |
 * | 0 | 4 | stamp, see below |
 * | 4 | 4 | CRC-32 of the header behind it: the group's link |
 * | 8 | 4 | magic |
 * | 12 | 4 | bytes of the group, without what fills the last sector |
 * | 16 | 8 | sequence: one more than that of the group before |
 * | 24 | 4 | the link of the group before |
 * | 28 | 4 | CRC-32 of everything behind the header |
 * | 32 | 4 | number of the file |
 * | 36 | 4 | bytes of the file |
 * | 40 | 8 | term |
 * | 48 | 4 | vote |
 * | 52 | 4 | 1 when the member is a voter, else 0 |
 * | 56 | 8 | base index: the entry before the first one here |
 * | 64 | 4 | CRC of the record of that entry |
 * | 68 | 4 | number of entries |
 * | 72 | 4·(sectors - 1) | the words that the stamps took the place of |
 * | | n | records of the entries |
 *
 * Both CRCs start from a seed made of cluster and member, so that a file of another member is not taken for one's own.
 *
 * **Stamps.** The first word of every sector is replaced by one made of the sequence, none of whose bytes is zero; the words it
 * replaces are kept behind the header. A sector of a file that was filled with zeros therefore tells for itself whether it was
 * written: all of it is zero, whatever the payloads are, exactly when it was not.
 */
export const sectorBytes = 512
const headerBytes = 72
const wordBytes = 4
const magic = 0x5557_4c31

export interface GroupHeader {
  readonly bytes: number
  readonly sequence: number
  readonly previousLink: number
  readonly bodyCrc: number
  readonly fileNumber: number
  readonly fileBytes: number
  readonly term: number
  readonly vote: number
  readonly isVoter: boolean
  readonly baseIndex: number
  readonly baseCrc: number
  readonly entries: number
  /** CRC of the fields above; with it the next group names this one. */
  readonly link: number
}

export type GroupFields = Omit<GroupHeader, 'bytes' | 'bodyCrc' | 'link'>

/** Sectors that a group with so many bytes of records fills. */
export function sectorsOf(recordBytes: number): number {
  return Math.max(1, Math.ceil((headerBytes - wordBytes + recordBytes) / (sectorBytes - wordBytes)))
}

function stampOf(sequence: number): number {
  const low = sequence % 0x1000_0000
  const spread = (low & 0x7f) | ((low & 0x3f80) << 1) | ((low & 0x1f_c000) << 2) | ((low & 0xfe0_0000) << 3)
  return (spread | 0x8080_8080) >>> 0
}

/** The bytes of a group, a whole number of sectors, and its link. */
export function encodeGroup(
  fields: GroupFields,
  records: readonly Buffer[],
  recordBytes: number,
  seed: number,
): { readonly content: Buffer; readonly link: number } {
  const sectors = sectorsOf(recordBytes)
  const tableEnd = headerBytes + (sectors - 1) * wordBytes
  const bytes = tableEnd + recordBytes
  const content = Buffer.allocUnsafe(sectors * sectorBytes)
  let offset = tableEnd
  for (const record of records) {
    content.set(record, offset)
    offset += record.length
  }
  content.fill(0, bytes)
  // From the end: a word of the table may itself be the first of its sector, and is saved behind itself.
  for (let sector = sectors - 1; sector > 0; sector -= 1)
    content.writeUInt32BE(content.readUInt32BE(sector * sectorBytes), wordOffset(sector))
  content.writeUInt32BE(magic, 8)
  content.writeUInt32BE(bytes, 12)
  writeUint53(content, fields.sequence, 16)
  content.writeUInt32BE(fields.previousLink, 24)
  content.writeUInt32BE(crc32(content.subarray(headerBytes, bytes), seed), 28)
  content.writeUInt32BE(fields.fileNumber, 32)
  content.writeUInt32BE(fields.fileBytes, 36)
  writeUint53(content, fields.term, 40)
  content.writeUInt32BE(fields.vote, 48)
  content.writeUInt32BE(fields.isVoter ? 1 : 0, 52)
  writeUint53(content, fields.baseIndex, 56)
  content.writeUInt32BE(fields.baseCrc, 64)
  content.writeUInt32BE(fields.entries, 68)
  const link = crc32(content.subarray(8, headerBytes), seed)
  content.writeUInt32BE(link, 4)
  const stamp = stampOf(fields.sequence)
  for (let sector = 0; sector < sectors; sector += 1) content.writeUInt32BE(stamp, sector * sectorBytes)
  return { content, link }
}

function wordOffset(sector: number): number {
  return headerBytes + (sector - 1) * wordBytes
}

/** The header of a group that starts at `offset`; undefined when there is none, or its bytes are not those that were written. */
export function decodeHeader(content: Buffer, offset: number, seed: number): GroupHeader | undefined {
  if (content.length < offset + sectorBytes || content.readUInt32BE(offset + 8) !== magic) return undefined
  const header = content.subarray(offset, offset + headerBytes)
  const link = header.readUInt32BE(4)
  if (crc32(header.subarray(8), seed) !== link) return undefined
  const sequence = readUint53(header, 16)
  if (header.readUInt32BE(0) !== stampOf(sequence)) return undefined
  return {
    bytes: header.readUInt32BE(12),
    sequence,
    previousLink: header.readUInt32BE(24),
    bodyCrc: header.readUInt32BE(28),
    fileNumber: header.readUInt32BE(32),
    fileBytes: header.readUInt32BE(36),
    term: readUint53(header, 40),
    vote: header.readUInt32BE(48),
    isVoter: header.readUInt32BE(52) === 1,
    baseIndex: readUint53(header, 56),
    baseCrc: header.readUInt32BE(64),
    entries: header.readUInt32BE(68),
    link,
  }
}

/** Sectors that the group fills. */
export function groupSectors({ bytes }: GroupHeader): number {
  return Math.ceil(bytes / sectorBytes)
}

/** `torn`: a crash left at least one sector of it unwritten, and the others are as they were written. */
export type GroupState = 'whole' | 'torn' | 'damaged'

/**
 * Checks a group, whose sectors start at `offset`, and takes the stamps out of it, in place: the records of a whole one are then
 * those that `recordsOf` gives.
 */
export function restoreGroup(content: Buffer, offset: number, header: GroupHeader, seed: number): GroupState {
  const sectors = groupSectors(header)
  const group = content.subarray(offset, offset + sectors * sectorBytes)
  if (group.length < sectors * sectorBytes) return 'damaged'
  const stamp = stampOf(header.sequence)
  let isTorn = false
  for (let sector = 1; sector < sectors; sector += 1) {
    const start = sector * sectorBytes
    if (group.readUInt32BE(start) === stamp) continue
    if (!isZero(group, start, start + sectorBytes)) return 'damaged'
    isTorn = true
  }
  if (isTorn) return 'torn'
  for (let sector = 1; sector < sectors; sector += 1)
    group.writeUInt32BE(group.readUInt32BE(wordOffset(sector)), sector * sectorBytes)
  const body = group.subarray(headerBytes, header.bytes)
  return crc32(body, seed) === header.bodyCrc && isZero(group, header.bytes, group.length)
    ? 'whole'
    : 'damaged'
}

/** The records of a group that was restored, one behind the other. */
export function recordsOf(content: Buffer, offset: number, header: GroupHeader): Buffer {
  return content.subarray(offset + wordOffset(groupSectors(header)), offset + header.bytes)
}

const zeros = Buffer.alloc(64 * 1024)

/** Whether every byte from `from` to before `to` is zero. */
export function isZero(content: Buffer, from: number, to: number): boolean {
  for (let start = from; start < to; start += zeros.length) {
    const end = Math.min(to, start + zeros.length)
    if (content.compare(zeros, 0, end - start, start, end) !== 0) return false
  }
  return true
}
