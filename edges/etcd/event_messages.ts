import { fieldBytes, numberBytes, WireWriter } from '../../log/wire.ts'
import type { KeyEvent } from '../../projections/keys/queries.ts'
import { HEAD_BYTES, writeHead } from './frames.ts'
import { keyValueBytes, writeKeyValue } from './hot_messages.ts'
import { encode } from './messages.ts'

/** A message of so many bytes is put together in one piece. */
const COPIED_BYTES_MAX = 8192

/** Events as they are in a WatchResponse. */
export function encodedEvents(events: readonly KeyEvent[]): Buffer {
  const lengths = events.map(eventBytes)
  let total = 0
  for (const length of lengths) total += fieldBytes(length)
  const writer = new WireWriter(Buffer.allocUnsafe(total))
  for (const [at, event] of events.entries()) {
    writer.head(11, lengths[at] ?? 0)
    writeEvent(writer, event)
  }
  return writer.buffer
}

/** A WatchResponse, framed, in one part or more: `fields` are all but its events, which are encoded already. */
export function framedEvents(fields: object, events: readonly Buffer[]): readonly Buffer[] {
  const start = encode('WatchResponse', fields)
  let length = start.length
  for (const each of events) length += each.length
  const head = Buffer.allocUnsafe(HEAD_BYTES + start.length)
  writeHead(head, length)
  head.set(start, HEAD_BYTES)
  const parts = [head, ...events]
  return length > COPIED_BYTES_MAX ? parts : [Buffer.concat(parts)]
}

function eventBytes({ type, kv, previous }: KeyEvent): number {
  const own = numberBytes(type === 'put' ? 0 : 1) + fieldBytes(keyValueBytes(kv))
  return previous === undefined ? own : own + fieldBytes(keyValueBytes(previous))
}

function writeEvent(writer: WireWriter, { type, kv, previous }: KeyEvent): void {
  writer.number(1, type === 'put' ? 0 : 1)
  writer.head(2, keyValueBytes(kv))
  writeKeyValue(writer, kv)
  if (previous === undefined) return
  writer.head(3, keyValueBytes(previous))
  writeKeyValue(writer, previous)
}
