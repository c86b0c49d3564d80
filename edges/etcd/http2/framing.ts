import { flags, protocolError } from './protocol.ts'

const PRIORITY_BYTES = 5
/** What a part takes in memory besides its bytes. */
const PART_BYTES = 64
/** Of a header block, over all its frames. */
export const HEADER_BLOCK_BYTES_MAX = 64 * 1024

export function uint32(value: number): Buffer {
  const bytes = Buffer.allocUnsafe(4)
  bytes.writeUInt32BE(value, 0)
  return bytes
}

/** A frame's payload without its padding, and without the priority that headers may begin with. Throws ProtocolError. */
export function content(flag: number, payload: Buffer, priority: boolean): Buffer {
  const padded = (flag & flags.PADDED) !== 0
  const from = (padded ? 1 : 0) + (priority ? PRIORITY_BYTES : 0)
  if (from > payload.length) throw protocolError('FRAME_SIZE_ERROR', 'a frame is cut short')
  if (!padded) return from === 0 ? payload : payload.subarray(from)
  const end = payload.length - (payload[0] ?? 0)
  if (end < from) throw protocolError('PROTOCOL_ERROR', 'a frame holds less than its padding')
  return payload.subarray(from, end)
}

/** A header block that comes in more frames than one (RFC 9113 §6.10). */
export class PartialBlock {
  readonly stream: number
  /** Whether the request ends with it. */
  readonly last: boolean
  readonly #parts: Buffer[]
  #bytes: number

  constructor(stream: number, last: boolean, first: Buffer) {
    this.stream = stream
    this.last = last
    this.#parts = [Buffer.from(first)]
    this.#bytes = first.length
  }

  /** Throws ProtocolError when there is too much of it. */
  add(part: Buffer): void {
    this.#parts.push(Buffer.from(part))
    // An empty part counts, too: nobody may send them for ever (CVE-2024-27316).
    this.#bytes += part.length + PART_BYTES
    if (this.#bytes > HEADER_BLOCK_BYTES_MAX)
      throw protocolError('ENHANCE_YOUR_CALM', 'headers without an end')
  }

  get whole(): Buffer {
    return Buffer.concat(this.#parts)
  }
}
