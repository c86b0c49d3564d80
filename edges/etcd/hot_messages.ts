import type { KeyValue, PutRequest, RangeAnswer, RangeRequest } from '../../domains/kv/model.ts'
import { fieldBytes, numberBytes, textBytes, varintBytes, WireReader, WireWriter } from '../../log/wire.ts'
import { HEAD_BYTES, writeHead } from './frames.ts'

/*
 * The messages of single puts and gets, read and written without a library, and framed at once. What is rare in them is left to it.
 */

/** Undefined for a request that the library must read. */
export function readPut(bytes: Buffer): PutRequest | undefined {
  let key = ''
  let value = ''
  let lease = 0
  let flags = 0
  try {
    const reader = new WireReader(bytes, 0, bytes.length)
    for (let field = reader.next(); field !== 0; field = reader.next()) {
      if (field === 1) key = reader.latin1()
      else if (field === 2) value = reader.latin1()
      else if (field === 3) lease = reader.number()
      else if (field <= 6 && reader.number() !== 0) flags |= 1 << field
      else if (field > 6) return undefined
    }
  } catch {
    return undefined
  }
  if (!Number.isSafeInteger(lease)) return undefined
  return {
    key,
    value,
    lease: lease === 0 ? '0' : String(lease),
    previous: (flags & (1 << 4)) !== 0,
    ignoreValue: (flags & (1 << 5)) !== 0,
    ignoreLease: (flags & (1 << 6)) !== 0,
  }
}

export interface Get {
  readonly wanted: RangeRequest
  readonly serializable: boolean
}

/** A range of a key or an interval in the present, without order or bounds; undefined for any other. */
export function readGet(bytes: Buffer): Get | undefined {
  let key = ''
  let rangeEnd = ''
  let limit = 0
  let flags = 0
  try {
    const reader = new WireReader(bytes, 0, bytes.length)
    for (let field = reader.next(); field !== 0; field = reader.next()) {
      if (field === 1) key = reader.latin1()
      else if (field === 2) rangeEnd = reader.latin1()
      else if (field === 3) limit = reader.number()
      else if (field >= 7 && field <= 9) flags |= reader.number() === 0 ? 0 : 1 << field
      else return undefined
    }
  } catch {
    return undefined
  }
  if (!Number.isSafeInteger(limit)) return undefined
  const wanted: RangeRequest = {
    key,
    rangeEnd,
    limit,
    revision: 0,
    sortOrder: 'none',
    sortTarget: 'key',
    keysOnly: (flags & (1 << 8)) !== 0,
    countOnly: (flags & (1 << 9)) !== 0,
    minModRevision: 0,
    maxModRevision: 0,
    minCreateRevision: 0,
    maxCreateRevision: 0,
  }
  return { wanted, serializable: (flags & (1 << 7)) !== 0 }
}

/** A header's bytes up to its revision: the same in every answer of a member. */
export interface HeaderStart {
  readonly start: Buffer
  readonly raftTerm: number
}

function headerBytes({ start, raftTerm }: HeaderStart, revision: number): number {
  return start.length + numberBytes(revision) + numberBytes(raftTerm)
}

function writeHeader(writer: WireWriter, { start, raftTerm }: HeaderStart, revision: number): void {
  writer.raw(start)
  writer.number(3, revision)
  writer.number(4, raftTerm)
}

/** A put's answer without a key before, framed. */
export function framedPut(header: HeaderStart, revision: number): Buffer {
  const length = headerBytes(header, revision)
  const writer = framed(fieldBytes(length))
  writer.head(1, length)
  writeHeader(writer, header, revision)
  return writer.buffer
}

/** A range's answer, framed. */
export function framedRange(header: HeaderStart, answer: RangeAnswer): Buffer {
  const { revision, kvs } = answer
  const length = headerBytes(header, revision)
  const lengths = kvs.map(keyValueBytes)
  let total = fieldBytes(length) + rangeEndBytes(answer)
  for (const each of lengths) total += fieldBytes(each)
  const writer = framed(total)
  writer.head(1, length)
  writeHeader(writer, header, revision)
  for (const [at, kv] of kvs.entries()) {
    writer.head(2, lengths[at] ?? 0)
    writeKeyValue(writer, kv)
  }
  writeRangeEnd(writer, answer)
  return writer.buffer
}

/** How an answer begins, framed, of which so many bytes follow. */
export function framedStart(header: HeaderStart, revision: number, followingBytes: number): Buffer {
  const length = headerBytes(header, revision)
  const before = fieldBytes(length)
  const buffer = Buffer.allocUnsafe(HEAD_BYTES + before)
  writeHead(buffer, before + followingBytes)
  const writer = new WireWriter(buffer, HEAD_BYTES)
  writer.head(1, length)
  writeHeader(writer, header, revision)
  return buffer
}

/** What comes after a range's keys. */
export function rangeEnd(answer: RangeAnswer): Buffer {
  const writer = new WireWriter(Buffer.allocUnsafe(rangeEndBytes(answer)))
  writeRangeEnd(writer, answer)
  return writer.buffer
}

/** What comes after the keys that a deletion took. */
export function deletionEnd(deleted: number): Buffer {
  const writer = new WireWriter(Buffer.allocUnsafe(numberBytes(deleted)))
  writer.number(2, deleted)
  return writer.buffer
}

function rangeEndBytes({ more, count }: RangeAnswer): number {
  return numberBytes(more ? 1 : 0) + numberBytes(count)
}

function writeRangeEnd(writer: WireWriter, { more, count }: RangeAnswer): void {
  writer.number(3, more ? 1 : 0)
  writer.number(4, count)
}

function framed(length: number): WireWriter {
  const buffer = Buffer.allocUnsafe(HEAD_BYTES + length)
  writeHead(buffer, length)
  return new WireWriter(buffer, HEAD_BYTES)
}

/** Bytes of a key as it is in answers. */
export function keyValueBytes({ key, value, createRevision, modRevision, version, lease }: KeyValue): number {
  return (
    textBytes(key.length) +
    numberBytes(createRevision) +
    numberBytes(modRevision) +
    numberBytes(version) +
    textBytes(value.length) +
    (lease === '0' ? 0 : 1 + number64Bytes(BigInt(lease)))
  )
}

export function writeKeyValue(writer: WireWriter, kv: KeyValue): void {
  writer.text(1, kv.key, kv.key.length, 'latin1')
  writer.number(2, kv.createRevision)
  writer.number(3, kv.modRevision)
  writer.number(4, kv.version)
  writer.text(5, kv.value, kv.value.length, 'latin1')
  if (kv.lease !== '0') writer.number64(6, BigInt(kv.lease))
}

/** How many bytes 64 bits take, without a tag; a negative number in two's complement. */
export function number64Bytes(value: bigint): number {
  const unsigned = BigInt.asUintN(64, value)
  return unsigned <= BigInt(Number.MAX_SAFE_INTEGER)
    ? varintBytes(Number(unsigned))
    : Math.ceil(unsigned.toString(2).length / 7)
}
