import type { Socket } from 'node:net'
import { streamMessageLengthMax } from './protocol.ts'

export interface StreamLimits {
  /** How long a connection may stay without a query. */
  readonly idleMs: number
  /** How long a query may take from its first octet to its last. */
  readonly queryMs: number
  /** How long a client may take to read what it has asked for. */
  readonly writeMs: number
  /** Octets of answers that wait for the client before its next query is looked at. */
  readonly backlogLength: number
}

/** RFC 7766 section 6.2.3 has idle times of seconds; section 6.2.1.1 wants pipelined queries answered. */
export const streamLimits: StreamLimits = {
  idleMs: 10_000,
  queryMs: 5_000,
  writeMs: 10_000,
  backlogLength: 128 * 1024,
}

const lengthFieldLength = 2

/**
 * One client over TCP (RFC 1035 section 4.2.2, RFC 7766): takes messages out of the stream wherever its segments are cut, and
 * answers in order. It holds at most one message and one segment of input and about `backlogLength` octets of output: while
 * the client does not read, it is not read from.
 */
export class StreamConnection {
  readonly #socket: Socket
  readonly #limits: StreamLimits
  readonly #respond: (query: Buffer) => Buffer | null
  #input: Buffer = Buffer.alloc(0)
  #state: 'idle' | 'reading' | 'writing' = 'idle'
  #timer: NodeJS.Timeout
  #ended = false

  /** `respond` gives null for what must not be answered: the connection is closed then. */
  constructor(socket: Socket, limits: StreamLimits, respond: (query: Buffer) => Buffer | null) {
    this.#socket = socket
    this.#limits = limits
    this.#respond = respond
    this.#timer = this.#startTimer(limits.idleMs)
    socket.setNoDelay(true)
    socket.on('data', (segment: Buffer) => {
      this.#input = this.#input.length === 0 ? segment : Buffer.concat([this.#input, segment])
      this.#work(true)
    })
    socket.on('drain', () => this.#work(false))
    socket.on('end', () => {
      this.#ended = true
      this.#work(false)
    })
    socket.on('error', () => socket.destroy())
    socket.on('close', () => clearTimeout(this.#timer))
  }

  get isIdle(): boolean {
    return this.#state === 'idle'
  }

  close(): void {
    this.#socket.destroy()
  }

  /** Answers the whole queries at hand for as long as the client reads, then sets the deadline for what comes next. */
  #work(isInput: boolean): void {
    let answered = false
    while (this.#socket.writableLength < this.#limits.backlogLength) {
      const query = this.#take()
      if (query === null) break
      const response = this.#respond(query)
      if (response === null) {
        this.#socket.destroy()
        return
      }
      this.#socket.write(framed(response))
      answered = true
    }
    this.#settle(answered, isInput)
  }

  #take(): Buffer | null {
    if (this.#input.length < lengthFieldLength) return null
    const end = lengthFieldLength + this.#input.readUInt16BE(0)
    if (this.#input.length < end) return null
    const query = this.#input.subarray(lengthFieldLength, end)
    this.#input = this.#input.subarray(end)
    return query
  }

  #settle(answered: boolean, isInput: boolean): void {
    const isFull = this.#socket.writableLength >= this.#limits.backlogLength
    if (isFull) this.#socket.pause()
    else if (this.#ended) {
      // What was asked before the client closed its half is still sent (RFC 7766 section 6.2.4).
      this.#socket.end()
    } else this.#socket.resume()
    const state = this.#socket.writableLength > 0 ? 'writing' : this.#input.length > 0 ? 'reading' : 'idle'
    // Octets that complete nothing buy no time: only progress moves the deadline.
    const isProgress = answered || !isInput
    if (state === this.#state && !isProgress) return
    this.#state = state
    clearTimeout(this.#timer)
    this.#timer = this.#startTimer(
      state === 'idle'
        ? this.#limits.idleMs
        : state === 'reading'
          ? this.#limits.queryMs
          : this.#limits.writeMs,
    )
  }

  #startTimer(delayMs: number): NodeJS.Timeout {
    return setTimeout(() => this.#socket.destroy(), delayMs)
  }
}

function framed(message: Buffer): Buffer {
  const frame = Buffer.allocUnsafe(lengthFieldLength + Math.min(message.length, streamMessageLengthMax))
  frame.writeUInt16BE(message.length, 0)
  message.copy(frame, lengthFieldLength)
  return frame
}
