import type { Socket } from 'node:net'
import { FRAME_HEAD_BYTES } from './protocol.ts'

const CHUNK_BYTES = 64 * 1024
/** A payload of this size or more is written as it is, not copied. */
const LARGE_BYTES = 8 * 1024
const FREE_CHUNKS_MAX = 64
/** What may wait in the socket before frames of data are held back. */
const SOCKET_BYTES_MAX = 1 << 20

/** Chunks that no connection holds. */
const free: Buffer[] = []

/** Frames on their way to a peer: all that comes of one turn of the event loop is written at once. */
export class Output {
  readonly #socket: Socket
  #chunk: Buffer | undefined
  #length = 0
  #scheduled = false
  readonly #flush = (): void => {
    this.#scheduled = false
    if (this.#socket.writableLength > 0) this.#writeCopy()
    else this.#writeChunk()
    this.#socket.uncork()
  }

  constructor(socket: Socket) {
    this.#socket = socket
  }

  /** Bytes that the peer has not taken. */
  get waiting(): number {
    return this.#socket.writableLength + this.#length
  }

  /** The peer takes less than it is sent: the socket's `drain` says when that is over. */
  get congested(): boolean {
    return this.#socket.writableLength > SOCKET_BYTES_MAX
  }

  frame(type: number, flags: number, stream: number, payload: Buffer): void {
    this.head(type, flags, stream, payload.length)
    this.bytes(payload)
  }

  /** A frame's head; its payload must follow. */
  head(type: number, flags: number, stream: number, length: number): void {
    const chunk = this.#room(FRAME_HEAD_BYTES)
    let at = this.#length
    chunk[at++] = length >>> 16
    chunk[at++] = length >>> 8
    chunk[at++] = length
    chunk[at++] = type
    chunk[at++] = flags
    chunk[at++] = stream >>> 24
    chunk[at++] = stream >>> 16
    chunk[at++] = stream >>> 8
    chunk[at++] = stream
    this.#length = at
  }

  bytes(payload: Buffer): void {
    if (payload.length >= LARGE_BYTES) {
      this.#writeChunk()
      this.#socket.write(payload)
      return
    }
    const chunk = this.#room(payload.length)
    chunk.set(payload, this.#length)
    this.#length += payload.length
  }

  #room(bytes: number): Buffer {
    if (!this.#scheduled) {
      this.#scheduled = true
      this.#socket.cork()
      process.nextTick(this.#flush)
    }
    if (this.#chunk !== undefined && this.#length + bytes > CHUNK_BYTES) this.#writeChunk()
    this.#chunk ??= free.pop() ?? Buffer.allocUnsafeSlow(CHUNK_BYTES)
    return this.#chunk
  }

  /** For a peer that is slow: a whole chunk must not wait with little in it. */
  #writeCopy(): void {
    const chunk = this.#chunk
    if (chunk === undefined || this.#length > CHUNK_BYTES / 2) {
      this.#writeChunk()
      return
    }
    this.#socket.write(Buffer.from(chunk.subarray(0, this.#length)))
    this.#chunk = undefined
    this.#length = 0
    if (free.length < FREE_CHUNKS_MAX) free.push(chunk)
  }

  #writeChunk(): void {
    const chunk = this.#chunk
    if (chunk === undefined) return
    const length = this.#length
    this.#chunk = undefined
    this.#length = 0
    this.#socket.write(length === CHUNK_BYTES ? chunk : chunk.subarray(0, length), (error) => {
      if (!error && free.length < FREE_CHUNKS_MAX) free.push(chunk)
    })
  }
}
