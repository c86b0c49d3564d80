import type { DeleteAnswer, KeyValue, RangeAnswer } from '../../domains/kv/model.ts'
import { fieldBytes, WireWriter } from '../../log/wire.ts'
import { HEAD_BYTES } from './frames.ts'
import {
  deletionEnd,
  framedRange,
  framedStart,
  type HeaderStart,
  keyValueBytes,
  rangeEnd,
  writeKeyValue,
} from './hot_messages.ts'
import { turns } from './turns.ts'

/** A range of so many keys and bytes is answered at once. */
const KEYS_AT_ONCE = 512
const BYTES_AT_ONCE = 256 * 1024

/** An answer that is made while it is sent: framed, in parts. */
export type Parts = AsyncIterable<Buffer>

/** A range's answer: its message when it is small, else, framed, its parts, made with turns of the event loop in between. */
export function rangeAnswer(header: HeaderStart, answer: RangeAnswer, keysOnly: boolean): Uint8Array | Parts {
  const { kvs, revision } = answer
  const inParts = () => parts(header, { revision, kvs, field: 2, end: rangeEnd(answer), keysOnly })
  if (kvs.length > KEYS_AT_ONCE) return inParts()
  let bytes = 0
  for (const { key, value } of kvs) bytes += key.length + (keysOnly ? 0 : value.length)
  if (bytes > BYTES_AT_ONCE) return inParts()
  return framedRange(header, keysOnly ? { ...answer, kvs: kvs.map(withoutValue) } : answer).subarray(
    HEAD_BYTES,
  )
}

/** The answer to a deletion of many keys, framed, with what they were. */
export function deletionParts(header: HeaderStart, { deleted, previous, revision }: DeleteAnswer): Parts {
  const end = deletionEnd(deleted)
  return parts(header, { revision, kvs: previous, field: 3, end, keysOnly: false })
}

interface ManyKeys {
  readonly revision: number
  readonly kvs: readonly KeyValue[]
  /** The number of the field that holds them. */
  readonly field: number
  readonly end: Buffer
  readonly keysOnly: boolean
}

/** Goes over the keys twice: a message is preceded by its length. */
async function* parts(header: HeaderStart, { revision, kvs, field, end, keysOnly }: ManyKeys): Parts {
  let bytes = end.length
  for (const slice of slices(kvs)) {
    await turns.next()
    for (const kv of slice) bytes += fieldBytes(keyValueBytes(keysOnly ? withoutValue(kv) : kv))
  }
  yield framedStart(header, revision, bytes)
  for (const slice of slices(kvs)) {
    await turns.next()
    yield encoded(slice, field, keysOnly)
  }
  yield end
}

function* slices(kvs: readonly KeyValue[]): Generator<readonly KeyValue[]> {
  let from = 0
  let bytes = 0
  for (const [at, { value }] of kvs.entries()) {
    if (at > from && (at - from >= KEYS_AT_ONCE || bytes + value.length > BYTES_AT_ONCE)) {
      yield kvs.slice(from, at)
      from = at
      bytes = 0
    }
    bytes += value.length
  }
  if (from < kvs.length) yield kvs.slice(from)
}

function encoded(kvs: readonly KeyValue[], field: number, keysOnly: boolean): Buffer {
  const shown = keysOnly ? kvs.map(withoutValue) : kvs
  const lengths = shown.map(keyValueBytes)
  let total = 0
  for (const length of lengths) total += fieldBytes(length)
  const writer = new WireWriter(Buffer.allocUnsafe(total))
  for (const [at, kv] of shown.entries()) {
    writer.head(field, lengths[at] ?? 0)
    writeKeyValue(writer, kv)
  }
  return writer.buffer
}

function withoutValue(kv: KeyValue): KeyValue {
  return { ...kv, value: '' }
}
