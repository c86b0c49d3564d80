import type { Entry } from '../../log/log.ts'

/** Committed entries on their way to the worker, of which the first has this index; the others follow without a gap. */
export interface PackedEntries {
  readonly firstRevision: number
  /** The length of each payload; `NOOP` for an entry without one. */
  readonly lengths: Uint32Array<ArrayBuffer>
  /** All payloads, one behind the other. */
  readonly payloads: Uint8Array<ArrayBuffer>
}

/** An entry as the worker gets it. */
export interface UnpackedEntry {
  readonly revision: number
  /** Null for a no-op. */
  readonly payload: Buffer | null
}

const NOOP = 0xffffffff

/**
 * Copies entries into one piece of memory, which is handed over to another thread at no cost: a message with an object an entry costs
 * several times as much as the copy. There must be one entry at least.
 */
export function packEntries(entries: readonly Entry[]): PackedEntries {
  let bytes = 0
  for (const { payload } of entries) bytes += payload.length
  const head = Uint32Array.BYTES_PER_ELEMENT * entries.length
  const memory = new ArrayBuffer(head + bytes)
  const lengths = new Uint32Array(memory, 0, entries.length)
  const payloads = new Uint8Array(memory, head)
  let at = 0
  for (let i = 0; i < entries.length; i++) {
    const { kind, payload } = entries[i] as Entry
    if (kind === 'noop') {
      lengths[i] = NOOP
      continue
    }
    lengths[i] = payload.length
    payloads.set(payload, at)
    at += payload.length
  }
  return { firstRevision: (entries[0] as Entry).index, lengths, payloads: payloads.subarray(0, at) }
}

export function unpackEntries({ firstRevision, lengths, payloads }: PackedEntries): readonly UnpackedEntry[] {
  const entries: UnpackedEntry[] = []
  let at = payloads.byteOffset
  for (let i = 0; i < lengths.length; i++) {
    const length = lengths[i] as number
    const isNoop = length === NOOP
    entries.push({
      revision: firstRevision + i,
      payload: isNoop ? null : Buffer.from(payloads.buffer, at, length),
    })
    if (!isNoop) at += length
  }
  return entries
}
