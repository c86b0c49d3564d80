import { atDeadline } from './deadline.ts'
import { FrameReader, frame } from './frames.ts'
import { type Headers, headerBlock } from './http2/hpack.ts'
import type { ServerStream, StreamListener } from './http2/stream.ts'
import { type StatusError, statusOf } from './status.ts'

/** A request is no larger, as with etcd: 1.5 MiB, and 512 KiB for what is around it. */
export const REQUEST_BYTES_MAX = 2 * 1024 * 1024
/** Messages of one stream that wait for their handler; more are left to flow control. */
const WAITING_MAX = 64
/** What a message takes in memory besides its bytes. */
const MESSAGE_BYTES = 128
/** Of what went wrong, so much is said. */
const TEXT_CHARACTERS_MAX = 1024

const responseHeaders = { ':status': '200', 'content-type': 'application/grpc' }
export const RESPONSE = headerBlock(responseHeaders)
export const OK = headerBlock({ 'grpc-status': '0' })

/** The two ways of a streaming call: messages come out of it one at a time, and go into it as fast as the client reads. */
export class CallStream implements AsyncIterable<Buffer>, StreamListener {
  readonly #stream: ServerStream
  readonly #reader = new FrameReader(REQUEST_BYTES_MAX)
  readonly #waiting: Buffer[] = []
  readonly #abort = new AbortController()
  readonly #deadline: NodeJS.Timeout | undefined
  /** What the messages that wait take in memory, and what the stream was told of it. */
  #waitingBytes = 0
  #held = 0
  /** Bytes that came while too much was waiting. */
  #unconsumed = 0
  #requestEnded = false
  #failure: StatusError | undefined
  #wake: (() => void) | undefined
  #drained: PromiseWithResolvers<void> | undefined
  /** Resolves once all that waits for its turn is sent; undefined while nothing does. */
  #queue: Promise<void> | undefined

  constructor(stream: ServerStream) {
    this.#stream = stream
    stream.listener = this
    this.#deadline = atDeadline(stream.headers, (error) => this.finish(error))
    stream.respond(RESPONSE, false)
  }

  get metadata(): Headers {
    return this.#stream.headers
  }

  /** Aborts once the client is gone or the call has ended. */
  get signal(): AbortSignal {
    return this.#abort.signal
  }

  /** The client's messages, until it sends no more. Throws StatusError for what is none. */
  async *[Symbol.asyncIterator](): AsyncGenerator<Buffer> {
    for (;;) {
      const next = this.#waiting.shift()
      if (next !== undefined) {
        this.#waitingBytes -= next.length + MESSAGE_BYTES
        this.#consume()
        yield next
      } else if (this.#failure !== undefined) throw this.#failure
      else if (this.#requestEnded || this.#abort.signal.aborted) return
      else await new Promise<void>((resolve) => (this.#wake = resolve))
    }
  }

  /** Resolves once the client can take more. A call that has ended takes nothing. */
  send(message: Uint8Array): Promise<void> {
    return this.sendFramed([frame(message)])
  }

  /** As `send`, for a message that is framed, in parts: it goes out as a whole, after all that was sent before. */
  sendFramed(parts: readonly Buffer[]): Promise<void> {
    const [whole] = parts
    if (this.#queue === undefined && whole !== undefined && parts.length === 1) return this.#write(whole)
    const write = async (): Promise<void> => {
      for (const part of parts) await this.#write(part)
    }
    const sent: Promise<void> = (this.#queue ?? Promise.resolve()).then(write).finally(() => {
      if (this.#queue === sent) this.#queue = undefined
    })
    this.#queue = sent
    return sent
  }

  /** Bytes are kept for the client until the call ends, or, when negative, no more. */
  hold(bytes: number): void {
    this.#stream.hold(bytes)
  }

  async #write(framed: Buffer): Promise<void> {
    if (this.#abort.signal.aborted || this.#stream.write(framed)) return
    this.#drained ??= Promise.withResolvers<void>()
    await this.#drained.promise
  }

  /** Ends the call with a status; the first one counts. */
  finish(error: unknown): void {
    this.#stream.end(error === undefined ? OK : trailersOf(statusOf(error)))
    this.#abort.abort()
    this.#notify()
  }

  data(chunk: Buffer): void {
    this.#unconsumed += chunk.length
    try {
      for (const message of this.#reader.take(chunk)) {
        // A copy: it must not keep all that came with it.
        this.#waiting.push(Buffer.from(message))
        this.#waitingBytes += message.length + MESSAGE_BYTES
      }
      this.#consume()
      this.#notify()
    } catch (error) {
      this.#failure ??= statusOf(error)
      this.ended()
    }
  }

  ended(): void {
    this.#requestEnded = true
    this.#notify()
  }

  closed(): void {
    clearTimeout(this.#deadline)
    this.#abort.abort()
    this.drained()
    this.ended()
  }

  drained(): void {
    this.#drained?.resolve()
    this.#drained = undefined
  }

  #consume(): void {
    const held = this.#waitingBytes + this.#reader.rest
    if (held !== this.#held) this.#stream.hold(held - this.#held)
    this.#held = held
    if (this.#waiting.length >= WAITING_MAX) return
    this.#stream.consumed(this.#unconsumed)
    this.#unconsumed = 0
  }

  #notify(): void {
    this.#wake?.()
    this.#wake = undefined
  }
}

/** Answers a unary call with a message that is framed. */
export function answer(stream: ServerStream, framed: Buffer): void {
  stream.answer(RESPONSE, framed, OK)
}

/** Refuses a call that has no answer. */
export function refuse(stream: ServerStream, error: StatusError): void {
  stream.respond(headerBlock({ ...responseHeaders, ...statusFields(error) }), true)
}

function trailersOf(error: StatusError): Buffer {
  return headerBlock(statusFields(error))
}

function statusFields(error: StatusError): Record<string, string> {
  return {
    'grpc-status': String(error.code),
    'grpc-message': percentEncoded(error.message.slice(0, TEXT_CHARACTERS_MAX)),
  }
}

/** As grpc-message must be (grpc/doc/PROTOCOL-HTTP2.md): what is not printable ASCII, and the percent sign, in hexadecimal. */
function percentEncoded(text: string): string {
  return text.replaceAll(/[^ -$&-~]+/g, (part) =>
    [...Buffer.from(part)].map((byte) => `%${byte.toString(16).toUpperCase().padStart(2, '0')}`).join(''),
  )
}
