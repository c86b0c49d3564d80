import type { Entry } from '../../log/log.ts'

/**
 * Committed entries on their way to the worker: the index of the first one, which the others follow without a gap; how many there are;
 * the length of each payload, or `NOOP`; and all payloads, one behind the other.
 */
export type PackedEntries = ArrayBuffer

/** An entry as the worker gets it. */
export interface UnpackedEntry {
  readonly revision: number
  /** Null for a no-op. */
  readonly payload: Buffer | null
}

const NOOP = 0xffffffff
const COUNT_AT = Float64Array.BYTES_PER_ELEMENT
const LENGTHS_AT = COUNT_AT + Uint32Array.BYTES_PER_ELEMENT

/**
 * Copies entries into one piece of memory, which is handed over to another thread at no cost: a message with an object an entry costs
 * several times as much as the copy. There must be one entry at least.
 */
export function packEntries(entries: readonly Entry[]): PackedEntries {
  let at = LENGTHS_AT + Uint32Array.BYTES_PER_ELEMENT * entries.length
  let end = at
  for (const { kind, payload } of entries) if (kind !== 'noop') end += payload.length
  const packed = new ArrayBuffer(end)
  const bytes = new Uint8Array(packed)
  new Float64Array(packed, 0, 1)[0] = (entries[0] as Entry).index
  new Uint32Array(packed, COUNT_AT, 1)[0] = entries.length
  const lengths = new Uint32Array(packed, LENGTHS_AT, entries.length)
  for (let i = 0; i < entries.length; i++) {
    const { kind, payload } = entries[i] as Entry
    if (kind === 'noop') {
      lengths[i] = NOOP
      continue
    }
    lengths[i] = payload.length
    bytes.set(payload, at)
    at += payload.length
  }
  return packed
}

export function unpackEntries(packed: PackedEntries): readonly UnpackedEntry[] {
  const firstRevision = new Float64Array(packed, 0, 1)[0] as number
  const count = new Uint32Array(packed, COUNT_AT, 1)[0] as number
  const lengths = new Uint32Array(packed, LENGTHS_AT, count)
  const entries: UnpackedEntry[] = []
  let at = LENGTHS_AT + lengths.byteLength
  for (let i = 0; i < count; i++) {
    const length = lengths[i] as number
    const revision = firstRevision + i
    if (length === NOOP) {
      entries.push({ revision, payload: null })
      continue
    }
    entries.push({ revision, payload: Buffer.from(packed, at, length) })
    at += length
  }
  return entries
}
