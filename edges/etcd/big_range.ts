import type { KeyValue, RangeAnswer } from '../../domains/kv/model.ts'
import { fieldBytes, WireWriter } from '../../log/wire.ts'
import { HEAD_BYTES } from './frames.ts'
import {
  framedRange,
  framedRangeStart,
  type HeaderStart,
  keyValueBytes,
  rangeEnd,
  writeKeyValue,
} from './hot_messages.ts'
import { Turns } from './turns.ts'

/** A range of so many keys and bytes is answered at once. */
const KEYS_AT_ONCE = 512
const BYTES_AT_ONCE = 256 * 1024

/** An answer that is made while it is sent: framed, in parts. */
export type Parts = AsyncIterable<Buffer>

const turns = new Turns()

/** A range's answer: its message when it is small, else, framed, its parts, made with turns of the event loop in between. */
export function rangeAnswer(header: HeaderStart, answer: RangeAnswer, keysOnly: boolean): Uint8Array | Parts {
  const { kvs } = answer
  if (kvs.length > KEYS_AT_ONCE) return parts(header, answer, keysOnly)
  let bytes = 0
  for (const { key, value } of kvs) bytes += key.length + (keysOnly ? 0 : value.length)
  if (bytes > BYTES_AT_ONCE) return parts(header, answer, keysOnly)
  return framedRange(header, keysOnly ? { ...answer, kvs: kvs.map(withoutValue) } : answer).subarray(
    HEAD_BYTES,
  )
}

/** Goes over the keys twice: a message is preceded by its length. */
async function* parts(header: HeaderStart, answer: RangeAnswer, keysOnly: boolean): Parts {
  let bytes = 0
  for (const slice of slices(answer.kvs)) {
    await turns.next()
    for (const kv of slice) bytes += fieldBytes(keyValueBytes(keysOnly ? withoutValue(kv) : kv))
  }
  yield framedRangeStart(header, answer, bytes)
  for (const slice of slices(answer.kvs)) {
    await turns.next()
    yield encoded(slice, keysOnly)
  }
  yield rangeEnd(answer)
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

function encoded(kvs: readonly KeyValue[], keysOnly: boolean): Buffer {
  const shown = keysOnly ? kvs.map(withoutValue) : kvs
  const lengths = shown.map(keyValueBytes)
  let total = 0
  for (const length of lengths) total += fieldBytes(length)
  const writer = new WireWriter(Buffer.allocUnsafe(total))
  for (const [at, kv] of shown.entries()) {
    writer.head(2, lengths[at] ?? 0)
    writeKeyValue(writer, kv)
  }
  return writer.buffer
}

function withoutValue(kv: KeyValue): KeyValue {
  return { ...kv, value: '' }
}
