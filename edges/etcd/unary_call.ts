import { answer, REQUEST_BYTES_MAX, refuse } from './call_stream.ts'
import { FrameReader, frame, HEAD_BYTES } from './frames.ts'
import type { Headers } from './http2/hpack.ts'
import type { ServerStream, StreamListener } from './http2/stream.ts'
import { etcdError, StatusError, statusOf } from './status.ts'

export type UnaryMethod = (request: Buffer, metadata: Headers) => Promise<Uint8Array>

/** A method that tells its answer itself, for calls that are so many that a promise counts. */
export type DirectMethod = (request: Buffer, metadata: Headers, call: Answering) => void

export interface Answering {
  /** The answer's message, framed. */
  answer(framed: Buffer): void
  fail(error: unknown): void
}

/** What all calls of a server may hold together. */
export class UnaryBounds {
  readonly #callsMax: number
  readonly #bytesMax: number
  #calls = 0
  #bytes = 0

  /** `callsMax`: methods under way, also for clients that are gone. `bytesMax`: of requests that have not come whole. */
  constructor(callsMax: number, bytesMax: number) {
    this.#callsMax = callsMax
    this.#bytesMax = bytesMax
  }

  /** Throws StatusError when there are too many. */
  begin(): void {
    if (this.#calls >= this.#callsMax) throw etcdError('tooManyRequests')
    this.#calls += 1
  }

  end(): void {
    this.#calls -= 1
  }

  /** Throws StatusError when there is too much. */
  hold(bytes: number): void {
    this.#bytes += bytes
    if (this.#bytes > this.#bytesMax) throw etcdError('tooManyRequests')
  }

  release(bytes: number): void {
    this.#bytes -= bytes
  }
}

export interface UnaryParts {
  readonly method: DirectMethod
  readonly bounds: UnaryBounds
  /** Told of what the method threw that is no status of the client's making. */
  readonly failed: (error: unknown) => void
}

/** One call with one message each way. */
export class UnaryCall implements StreamListener, Answering {
  readonly #stream: ServerStream
  readonly #parts: UnaryParts
  #reader: FrameReader | undefined
  #held = 0
  #called = false

  constructor(stream: ServerStream, parts: UnaryParts) {
    this.#stream = stream
    this.#parts = parts
  }

  data(chunk: Buffer): void {
    this.#stream.consumed(chunk.length)
    if (this.#called) return
    try {
      if (this.#reader === undefined && isWhole(chunk)) this.#call(chunk.subarray(HEAD_BYTES))
      else this.#collect(chunk)
    } catch (error) {
      this.#refuse(error)
    }
  }

  ended(): void {
    if (!this.#called) this.#refuse(new StatusError('INTERNAL', 'grpc: the request holds no message'))
  }

  closed(): void {
    this.#called = true
    this.#release()
  }

  drained(): void {
    // Its one message waits in the stream by itself.
  }

  #collect(chunk: Buffer): void {
    this.#held += chunk.length
    this.#parts.bounds.hold(chunk.length)
    this.#reader ??= new FrameReader(REQUEST_BYTES_MAX)
    const [request] = this.#reader.take(chunk)
    if (request !== undefined) this.#call(request)
  }

  #call(request: Buffer): void {
    const { method, bounds } = this.#parts
    this.#called = true
    this.#release()
    bounds.begin()
    try {
      method(request, this.#stream.headers, this)
    } catch (error) {
      this.fail(error)
    }
  }

  answer(framed: Buffer): void {
    this.#parts.bounds.end()
    answer(this.#stream, framed)
  }

  fail(error: unknown): void {
    this.#parts.bounds.end()
    this.#refuse(error)
  }

  #refuse(error: unknown): void {
    this.#called = true
    this.#release()
    this.#parts.failed(error)
    refuse(this.#stream, statusOf(error))
  }

  #release(): void {
    this.#parts.bounds.release(this.#held)
    this.#held = 0
    this.#reader = undefined
  }
}

/** A method with a promise as one that tells its answer itself. */
export function direct(method: UnaryMethod): DirectMethod {
  return (request, metadata, call) => {
    method(request, metadata).then(
      (message) => call.answer(frame(message)),
      (error: unknown) => call.fail(error),
    )
  }
}

/** Nothing but one message that is not compressed. */
function isWhole(chunk: Buffer): boolean {
  const length = chunk.length - HEAD_BYTES
  return length >= 0 && length <= REQUEST_BYTES_MAX && chunk[0] === 0 && chunk.readUInt32BE(1) === length
}
