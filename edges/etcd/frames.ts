import { StatusError } from './status.ts'

/** What comes before each message. */
export const HEAD_BYTES = 5

/** A message as gRPC frames it: not compressed, its length, its bytes (grpc/doc/PROTOCOL-HTTP2.md). */
export function frame(message: Uint8Array): Buffer {
  const framed = Buffer.allocUnsafe(HEAD_BYTES + message.length)
  writeHead(framed, message.length)
  framed.set(message, HEAD_BYTES)
  return framed
}

/** Begins a frame of a message with so many bytes. */
export function writeHead(framed: Buffer, length: number): void {
  framed[0] = 0
  framed.writeUInt32BE(length, 1)
}

/** A message of so many bytes is framed in one part. */
const COPIED_BYTES_MAX = 8192

/** A message that is there in parts, framed. */
export function framedParts(start: Uint8Array, rest: readonly Buffer[]): readonly Buffer[] {
  let length = start.length
  for (const each of rest) length += each.length
  const head = Buffer.allocUnsafe(HEAD_BYTES + start.length)
  writeHead(head, length)
  head.set(start, HEAD_BYTES)
  const parts = [head, ...rest]
  return length > COPIED_BYTES_MAX ? parts : [Buffer.concat(parts)]
}

const NOTHING = Buffer.alloc(0)
const CAPACITY_BYTES_MIN = 256

/** Cuts what comes in into messages. Of what is not whole it keeps a copy: a few bytes must not keep all that came with them. */
export class FrameReader {
  readonly #bytesMax: number
  #pending: Buffer = NOTHING
  #length = 0

  /** A longer message is refused. */
  constructor(bytesMax: number) {
    this.#bytesMax = bytesMax
  }

  /** Bytes of a message that has not come whole. */
  get rest(): number {
    return this.#length
  }

  /** Takes what came, and gives the messages that it completes. Throws StatusError. */
  take(chunk: Buffer): readonly Buffer[] {
    const bytes = this.#length === 0 ? chunk : this.#append(chunk)
    const messages: Buffer[] = []
    let at = 0
    for (;;) {
      const end = at + this.#frameBytes(bytes, at)
      if (end > bytes.length) break
      messages.push(bytes.subarray(at + HEAD_BYTES, end))
      at = end
    }
    if (at === 0 && this.#length > 0) return messages
    // What was appended to belongs to the messages now.
    this.#pending = NOTHING
    this.#length = 0
    if (at < bytes.length) this.#append(bytes.subarray(at))
    return messages
  }

  /** Of the frame that begins there, head and all; more than there is when its head is not whole. */
  #frameBytes(bytes: Buffer, at: number): number {
    if (bytes.length - at < HEAD_BYTES) return HEAD_BYTES
    if (bytes[at] !== 0) throw new StatusError('UNIMPLEMENTED', 'grpc: compressed messages are not taken')
    const length = bytes.readUInt32BE(at + 1)
    if (length > this.#bytesMax)
      throw new StatusError(
        'RESOURCE_EXHAUSTED',
        `grpc: received message larger than max (${length} vs. ${this.#bytesMax})`,
      )
    return HEAD_BYTES + length
  }

  #append(chunk: Buffer): Buffer {
    const length = this.#length + chunk.length
    if (length > this.#pending.length) {
      const larger = Buffer.allocUnsafeSlow(Math.max(CAPACITY_BYTES_MIN, length, 2 * this.#pending.length))
      this.#pending.copy(larger, 0, 0, this.#length)
      this.#pending = larger
    }
    chunk.copy(this.#pending, this.#length)
    this.#length = length
    return this.#pending.subarray(0, length)
  }
}
