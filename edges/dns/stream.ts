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
  /** What has come and is not answered yet lies from `#start` to `#end`. */
  #input: Buffer = Buffer.alloc(0)
  #start = 0
  #end = 0
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
      this.#append(segment)
      this.#work(true)
    })
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
      this.#socket.write(framed(response), this.#written)
      answered = true
    }
    this.#settle(answered, isInput)
  }

  readonly #written = (): void => {
    if (this.#state === 'writing' && this.#socket.writableLength === 0 && !this.#socket.destroyed)
      this.#work(false)
  }

  /** Room doubles, so that a message of many small segments is not copied for each of them. */
  #append(segment: Buffer): void {
    const held = this.#end - this.#start
    if (held === 0) {
      this.#input = segment
      this.#start = 0
      this.#end = segment.length
      return
    }
    if (this.#end + segment.length > this.#input.length) {
      const larger = Buffer.allocUnsafe(2 * (held + segment.length))
      this.#input.copy(larger, 0, this.#start, this.#end)
      this.#input = larger
      this.#start = 0
      this.#end = held
    }
    segment.copy(this.#input, this.#end)
    this.#end += segment.length
  }

  #take(): Buffer | null {
    const held = this.#end - this.#start
    if (held < lengthFieldLength) return null
    const frameLength = lengthFieldLength + this.#input.readUInt16BE(this.#start)
    if (held < frameLength) return null
    const query = this.#input.subarray(this.#start + lengthFieldLength, this.#start + frameLength)
    this.#start += frameLength
    return query
  }

  #settle(answered: boolean, isInput: boolean): void {
    const isFull = this.#socket.writableLength >= this.#limits.backlogLength
    if (isFull) this.#socket.pause()
    else if (this.#ended) {
      // What was asked before the client closed its half is still sent (RFC 7766 section 6.2.4).
      this.#socket.end()
    } else this.#socket.resume()
    const state = this.#socket.writableLength > 0 ? 'writing' : this.#end > this.#start ? 'reading' : 'idle'
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
