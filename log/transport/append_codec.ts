import type { AppendRequest, AppendResponse, Entry, EntryKind } from '../raft/types.ts'
import { fieldBytes, numberBytes, textBytes, WireReader, WireWriter } from '../wire.ts'
import type { Codec } from './schema.ts'

/*
 * AppendEntries as chainfire.proto has it, by hand: it carries every entry to every member.
 */

const kindCodes: Readonly<Record<EntryKind, number>> = { noop: 1, data: 2 }
const kindsByCode: readonly (EntryKind | undefined)[] = [undefined, 'noop', 'data']
const noBytes = new Uint8Array(0)

export const appendRequest: Codec<AppendRequest> = { encode: encodeRequest, decode: decodeRequest }
export const appendResponse: Codec<AppendResponse> = { encode: encodeResponse, decode: decodeResponse }

function entryBytes({ term, payload }: Entry): number {
  return numberBytes(term) + numberBytes(1) + textBytes(payload.length)
}

function encodeRequest(message: AppendRequest): Buffer {
  const { from, to, term, previousIndex, previousTerm, entries, commit, readTag, timeoutNow } = message
  let length =
    numberBytes(from) +
    numberBytes(to) +
    numberBytes(term) +
    numberBytes(previousIndex) +
    numberBytes(previousTerm) +
    numberBytes(commit) +
    numberBytes(readTag) +
    (timeoutNow ? numberBytes(1) : 0)
  for (const entry of entries) length += fieldBytes(entryBytes(entry))
  const writer = new WireWriter(Buffer.allocUnsafe(length))
  writer.number(1, from)
  writer.number(2, to)
  writer.number(3, term)
  writer.number(4, previousIndex)
  writer.number(5, previousTerm)
  for (const entry of entries) {
    writer.head(6, entryBytes(entry))
    writer.number(1, entry.term)
    writer.number(2, kindCodes[entry.kind])
    if (entry.payload.length > 0) writer.bytes(3, entry.payload)
  }
  writer.number(7, commit)
  writer.number(8, readTag)
  writer.number(9, timeoutNow ? 1 : 0)
  return writer.buffer
}

/** Throws RangeError for bytes that are no such message. */
function decodeRequest(bytes: Buffer): AppendRequest {
  const reader = new WireReader(bytes, 0, bytes.length)
  const numbers = [0, 0, 0, 0, 0, 0, 0, 0, 0, 0]
  const entries: Entry[] = []
  for (let field = reader.next(); field !== 0; field = reader.next()) {
    if (field === 6) entries.push(decodeEntry(reader, (numbers[4] ?? 0) + 1 + entries.length))
    else if (field === 4 && entries.length > 0) throw new RangeError('the place of entries comes before them')
    else if (field < 10) numbers[field] = exact(reader.number())
    else reader.skip()
  }
  const [, from = 0, to = 0, term = 0, previousIndex = 0, previousTerm = 0, , commit = 0, readTag = 0] =
    numbers
  return {
    type: 'append_request',
    from,
    to,
    term,
    previousIndex,
    previousTerm,
    entries,
    commit,
    readTag,
    timeoutNow: numbers[9] !== 0,
  }
}

function decodeEntry(reader: WireReader, index: number): Entry {
  const { buffer } = reader
  const inner = new WireReader(buffer, reader.bytes(), reader.at)
  let term = 0
  let kind: EntryKind | undefined
  let payload: Uint8Array = noBytes
  for (let field = inner.next(); field !== 0; field = inner.next()) {
    if (field === 1) term = exact(inner.number())
    else if (field === 2) kind = kindsByCode[inner.number()]
    else if (field === 3) payload = buffer.subarray(inner.bytes(), inner.at)
    else inner.skip()
  }
  if (kind === undefined) throw new RangeError('unknown kind of entry')
  return { index, term, kind, payload }
}

function encodeResponse(message: AppendResponse): Buffer {
  const { success } = message
  const numbers = [
    message.from,
    message.to,
    message.term,
    success ? 1 : 0,
    message.index,
    message.hintIndex,
    message.hintTerm,
    message.readTag,
    message.recovery,
    message.neededTerm,
  ]
  let length = 0
  for (const number of numbers) length += numberBytes(number)
  const writer = new WireWriter(Buffer.allocUnsafe(length))
  for (const [at, number] of numbers.entries()) writer.number(at + 1, number)
  return writer.buffer
}

/** Throws RangeError for bytes that are no such message. */
function decodeResponse(bytes: Buffer): AppendResponse {
  const reader = new WireReader(bytes, 0, bytes.length)
  const numbers = [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]
  for (let field = reader.next(); field !== 0; field = reader.next()) {
    if (field < numbers.length) numbers[field] = exact(reader.number())
    else reader.skip()
  }
  const [, from = 0, to = 0, term = 0, success = 0, index = 0, hintIndex = 0, hintTerm = 0, readTag = 0] =
    numbers
  return {
    type: 'append_response',
    from,
    to,
    term,
    success: success !== 0,
    index,
    hintIndex,
    hintTerm,
    readTag,
    recovery: numbers[9] ?? 0,
    neededTerm: numbers[10] ?? 0,
  }
}

function exact(value: number): number {
  if (!Number.isSafeInteger(value)) throw new RangeError('number out of range')
  return value
}
