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

/** Cuts what comes in into messages. */
export class FrameReader {
  readonly #bytesMax: number
  #parts: Buffer[] = []
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
    this.#parts.push(chunk)
    this.#length += chunk.length
    const messages: Buffer[] = []
    for (;;) {
      const head = this.#peek(HEAD_BYTES)
      if (head === undefined) return messages
      if (head[0] !== 0) throw new StatusError('UNIMPLEMENTED', 'grpc: compressed messages are not taken')
      const length = head.readUInt32BE(1)
      if (length > this.#bytesMax)
        throw new StatusError(
          'RESOURCE_EXHAUSTED',
          `grpc: received message larger than max (${length} vs. ${this.#bytesMax})`,
        )
      const whole = this.#peek(HEAD_BYTES + length)
      if (whole === undefined) return messages
      messages.push(whole.subarray(HEAD_BYTES, HEAD_BYTES + length))
      this.#drop(HEAD_BYTES + length)
    }
  }

  /** What came first, at least so much of it; undefined while it has not. */
  #peek(bytes: number): Buffer | undefined {
    if (this.#length < bytes) return undefined
    if ((this.#parts[0] as Buffer).length < bytes) this.#parts = [Buffer.concat(this.#parts)]
    return this.#parts[0]
  }

  #drop(bytes: number): void {
    const rest = (this.#parts[0] as Buffer).subarray(bytes)
    if (rest.length === 0) this.#parts.shift()
    else this.#parts[0] = rest
    this.#length -= bytes
  }
}
