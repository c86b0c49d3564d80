import { constants, type IncomingHttpHeaders, type ServerHttp2Stream } from 'node:http2'
import { FrameReader, frame } from './frames.ts'
import { type StatusError, statusOf } from './status.ts'

/** A request is no larger, as with etcd: 1.5 MiB, and 512 KiB for what is around it. */
export const REQUEST_BYTES_MAX = 2 * 1024 * 1024
/** Messages of one stream that wait for their handler; more are left to flow control. */
const WAITING_MAX = 64

const responseHeaders = { ':status': 200, 'content-type': 'application/grpc' }

/** The two ways of a streaming call: messages come out of it one at a time, and go into it as fast as the client reads. */
export class CallStream implements AsyncIterable<Buffer> {
  readonly #stream: ServerHttp2Stream
  readonly #reader = new FrameReader(REQUEST_BYTES_MAX)
  readonly #waiting: Buffer[] = []
  readonly #abort = new AbortController()
  readonly metadata: IncomingHttpHeaders
  #halfClosed = false
  #failure: StatusError | undefined
  #wake: (() => void) | undefined
  #drained: Promise<void> | undefined

  constructor(stream: ServerHttp2Stream, metadata: IncomingHttpHeaders) {
    this.#stream = stream
    this.metadata = metadata
    stream.on('data', (chunk: Buffer) => this.#take(chunk))
    stream.on('end', () => this.#end(undefined))
    stream.on('close', () => {
      this.#abort.abort()
      this.#end(undefined)
    })
    stream.respond(responseHeaders, { waitForTrailers: true })
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
        if (this.#waiting.length < WAITING_MAX) this.#stream.resume()
        yield next
      } else if (this.#failure !== undefined) throw this.#failure
      else if (this.#halfClosed || this.#abort.signal.aborted) return
      else await new Promise<void>((resolve) => (this.#wake = resolve))
    }
  }

  /** Resolves once the client can take more. A call that has ended takes nothing. */
  async send(message: Uint8Array): Promise<void> {
    if (this.#abort.signal.aborted || this.#stream.writableEnded) return
    if (this.#stream.write(frame(message))) return
    this.#drained ??= new Promise((resolve) => {
      const done = (): void => {
        this.#drained = undefined
        this.#stream.off('drain', done)
        this.#stream.off('close', done)
        resolve()
      }
      this.#stream.once('drain', done)
      this.#stream.once('close', done)
    })
    await this.#drained
  }

  /** Ends the call with a status; the first one counts. */
  finish(error: unknown): void {
    if (!this.#stream.writableEnded && !this.#stream.destroyed) {
      const status = error === undefined ? undefined : statusOf(error)
      this.#stream.once('wantTrailers', () => {
        this.#stream.sendTrailers(trailersOf(status))
        // The client may have more to say: it is told not to.
        if (!this.#halfClosed) setImmediate(() => this.#stream.close(constants.NGHTTP2_NO_ERROR))
      })
      this.#stream.end()
    }
    this.#abort.abort()
    this.#notify()
  }

  #take(chunk: Buffer): void {
    try {
      this.#waiting.push(...this.#reader.take(chunk))
      if (this.#waiting.length >= WAITING_MAX) this.#stream.pause()
      this.#notify()
    } catch (error) {
      this.#end(statusOf(error))
    }
  }

  #end(failure: StatusError | undefined): void {
    this.#failure ??= failure
    this.#halfClosed = true
    this.#notify()
  }

  #notify(): void {
    this.#wake?.()
    this.#wake = undefined
  }
}

/** Answers a unary call. */
export function answer(stream: ServerHttp2Stream, message: Uint8Array): void {
  if (stream.destroyed) return
  stream.respond(responseHeaders, { waitForTrailers: true })
  stream.once('wantTrailers', () => stream.sendTrailers(trailersOf(undefined)))
  stream.end(frame(message))
}

/** Refuses a call that has no answer. */
export function refuse(stream: ServerHttp2Stream, error: StatusError): void {
  if (stream.destroyed || stream.headersSent) return
  stream.respond({ ...responseHeaders, ...trailersOf(error) }, { endStream: true })
}

const OK = { 'grpc-status': '0' }

function trailersOf(error: StatusError | undefined): Record<string, string> {
  if (error === undefined) return OK
  return { 'grpc-status': String(error.code), 'grpc-message': percentEncoded(error.message) }
}

/** As grpc-message must be (grpc/doc/PROTOCOL-HTTP2.md): what is not printable ASCII, and the percent sign, in hexadecimal. */
function percentEncoded(text: string): string {
  return text.replaceAll(/[^ -$&-~]+/g, (part) =>
    [...Buffer.from(part)].map((byte) => `%${byte.toString(16).toUpperCase().padStart(2, '0')}`).join(''),
  )
}
