import type { Connection } from './connection.ts'
import type { Headers } from './hpack.ts'
import { errorCodes, flags, frameTypes } from './protocol.ts'

/** What a piece of an answer takes in memory besides its bytes. */
const PIECE_BYTES = 128

/** Who serves a call. */
export interface StreamListener {
  /** Bytes of the request, in order. They are the peer's to send again only once `consumed` is told. */
  data(chunk: Buffer): void
  /** The request is over. */
  ended(): void
  /** The call is over: it was answered, or its client or connection is gone. Comes once. */
  closed(): void
  /** What was written has gone out: more can be. */
  drained(): void
}

/** One call of a connection (RFC 9113 §5). Windows are of bytes that may come or go. */
export class ServerStream {
  readonly id: number
  readonly headers: Headers
  readonly connection: Connection
  listener: StreamListener | undefined
  sendWindow: number
  /** What the peer may send before it is told of more. */
  receiveWindow: number
  /** Bytes that the headers count for. */
  readonly headerBytes: number
  /** Bytes that the request has still to bring, when it said how many. */
  #missing: number | undefined
  #unreported = 0
  #held = 0
  #remoteClosed = false
  #localClosed = false
  #closed = false
  #waiting: Buffer[] = []
  #trailers: Buffer | undefined

  constructor(
    connection: Connection,
    id: number,
    headers: Headers,
    headerBytes: number,
    sendWindow: number,
    length: number | undefined,
  ) {
    this.connection = connection
    this.id = id
    this.headers = headers
    this.sendWindow = sendWindow
    this.headerBytes = headerBytes
    this.receiveWindow = connection.windowBytes
    this.#missing = length
  }

  get closed(): boolean {
    return this.#closed
  }

  /** Nothing more can be said in answer. */
  get answered(): boolean {
    return this.#localClosed || this.#trailers !== undefined
  }

  get requestEnded(): boolean {
    return this.#remoteClosed
  }

  /** Begins an answer; with `last`, that is all of it. */
  respond(block: Buffer, last: boolean): void {
    if (this.answered || this.#closed) return
    const flag = last ? flags.END_HEADERS | flags.END_STREAM : flags.END_HEADERS
    this.connection.headers(this.id, flag, block)
    if (last) this.#closeLocal()
  }

  /** False when it waits for the peer: `drained` says when to go on. */
  write(data: Buffer): boolean {
    if (this.answered || this.#closed || data.length === 0) return true
    this.#waiting.push(data)
    this.connection.waits(data.length + PIECE_BYTES)
    return this.pump()
  }

  end(trailers: Buffer): void {
    if (this.answered || this.#closed) return
    this.#trailers = trailers
    this.pump()
  }

  /** A whole answer at once. */
  answer(block: Buffer, data: Buffer, trailers: Buffer): void {
    this.respond(block, false)
    this.write(data)
    this.end(trailers)
  }

  /** Ends the call without an answer. */
  reset(code: number): void {
    if (this.#closed) return
    this.connection.reset(this.id, code)
    this.#close()
  }

  /** So many bytes of the request are used up: as many more may come. */
  consumed(bytes: number): void {
    this.#unreported += bytes
    if (this.#remoteClosed || this.#closed || this.#unreported < this.connection.windowBytes / 2) return
    this.receiveWindow += this.#unreported
    this.connection.grant(this.id, this.#unreported)
    this.#unreported = 0
  }

  /** Bytes of the request are kept until the call ends, or, when negative, no more. */
  hold(bytes: number): void {
    if (this.#closed) return
    this.#held += bytes
    this.connection.hold(bytes)
  }

  /** To be called by the connection: data came, which with its padding takes so much of the window. */
  receive(data: Buffer, windowBytes: number): void {
    this.receiveWindow -= windowBytes
    if (this.receiveWindow < 0) {
      this.reset(errorCodes.FLOW_CONTROL_ERROR)
      return
    }
    if (this.#missing !== undefined) {
      this.#missing -= data.length
      if (this.#missing < 0) {
        this.reset(errorCodes.PROTOCOL_ERROR)
        return
      }
    }
    if (windowBytes > data.length) this.consumed(windowBytes - data.length)
    if (data.length > 0) this.listener?.data(data)
  }

  /** To be called by the connection: no more bytes come. */
  receivedAll(): void {
    if (this.#remoteClosed || this.#closed) return
    this.#remoteClosed = true
    if (this.#missing !== undefined && this.#missing !== 0) this.reset(errorCodes.PROTOCOL_ERROR)
    else this.listener?.ended()
  }

  /** To be called by the connection: the peer reset the call, or is gone. */
  lost(): void {
    this.#remoteClosed = true
    this.#close()
  }

  /** To be called by the connection: there may be room for what waits. */
  resume(): void {
    if (this.#waiting.length > 0 && this.pump()) this.listener?.drained()
  }

  /** Sends what waits as far as the windows and the socket allow. False when something waits still. */
  pump(): boolean {
    while (this.#waiting.length > 0) {
      const [data] = this.#waiting as [Buffer]
      const room = Math.min(this.sendWindow, this.connection.room)
      if (room <= 0) {
        if (this.connection.room <= 0) this.connection.block(this)
        return false
      }
      const length = Math.min(data.length, room, this.connection.frameBytesMax)
      this.sendWindow -= length
      this.connection.sent(length)
      this.connection.waits(length === data.length ? -(length + PIECE_BYTES) : -length)
      this.connection.output.frame(
        frameTypes.DATA,
        0,
        this.id,
        length === data.length ? data : data.subarray(0, length),
      )
      if (length === data.length) this.#waiting.shift()
      else this.#waiting[0] = data.subarray(length)
    }
    if (this.#trailers !== undefined && !this.#localClosed) {
      const flag = flags.END_HEADERS | flags.END_STREAM
      this.connection.headers(this.id, flag, this.#trailers)
      this.#closeLocal()
    }
    return true
  }

  #closeLocal(): void {
    this.#localClosed = true
    // The client may have more to say: it is told not to (RFC 9113 §8.1).
    if (!this.#remoteClosed) this.connection.reset(this.id, errorCodes.NO_ERROR)
    this.#close()
  }

  #close(): void {
    if (this.#closed) return
    this.#closed = true
    let dropped = 0
    for (const { length } of this.#waiting) dropped += length + PIECE_BYTES
    this.#waiting = []
    this.connection.waits(-dropped)
    this.connection.hold(-this.#held)
    this.connection.forget(this)
    this.listener?.closed()
  }
}

/** The bytes that a request says it brings (RFC 9113 §8.1.1). */
export function contentLength(headers: Headers): number | 'malformed' | undefined {
  const text = headers['content-length']
  if (text === undefined) return undefined
  return /^\d{1,15}$/.test(text) ? Number(text) : 'malformed'
}
