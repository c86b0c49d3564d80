import { fieldBytes, textBytes, WireWriter } from '../../log/wire.ts'
import type { Parts } from './big_range.ts'
import { framedParts } from './frames.ts'
import { number64Bytes } from './hot_messages.ts'
import { turns } from './turns.ts'

/** So much of a list is encoded in one turn of the event loop. */
const AT_ONCE = 4096

/** A message that ends with a list: as it is when that is short, else, framed, in parts, made with turns of the event loop in between. */
export async function listAnswer(
  start: Uint8Array,
  list: readonly string[],
  encoded: (some: readonly string[]) => Buffer,
): Promise<Uint8Array | Parts> {
  if (list.length <= AT_ONCE) return Buffer.concat([start, encoded(list)])
  const parts: Buffer[] = []
  for (let at = 0; at < list.length; at += AT_ONCE) {
    await turns.next()
    parts.push(encoded(list.slice(at, at + AT_ONCE)))
  }
  return each(framedParts(start, parts))
}

async function* each(parts: readonly Buffer[]): Parts {
  yield* parts
}

/** The keys of a LeaseTimeToLiveResponse. */
export function encodedKeys(keys: readonly string[]): Buffer {
  let total = 0
  for (const { length } of keys) total += textBytes(length)
  const writer = new WireWriter(Buffer.allocUnsafe(total))
  for (const key of keys) writer.text(5, key, key.length, 'latin1')
  return writer.buffer
}

/** The leases of a LeaseLeasesResponse. */
export function encodedLeases(ids: readonly string[]): Buffer {
  const numbers = ids.map(BigInt)
  const lengths = numbers.map((id) => 1 + number64Bytes(id))
  let total = 0
  for (const length of lengths) total += fieldBytes(length)
  const writer = new WireWriter(Buffer.allocUnsafe(total))
  for (const [at, id] of numbers.entries()) {
    writer.head(2, lengths[at] ?? 0)
    writer.number64(1, id)
  }
  return writer.buffer
}
