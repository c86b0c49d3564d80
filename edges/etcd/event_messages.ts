import { fieldBytes, numberBytes, WireWriter } from '../../log/wire.ts'
import type { KeyEvent } from '../../projections/keys/queries.ts'
import { keyValueBytes, writeKeyValue } from './hot_messages.ts'

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
