import type { Parts } from './big_range.ts'
import { answer, OK, REQUEST_BYTES_MAX, RESPONSE, refuse } from './call_stream.ts'
import { atDeadline } from './deadline.ts'
import { FrameReader, frame, HEAD_BYTES } from './frames.ts'
import type { Headers } from './http2/hpack.ts'
import { errorCodes } from './http2/protocol.ts'
import type { ServerStream, StreamListener } from './http2/stream.ts'
import { etcdError, StatusError, statusOf } from './status.ts'

/** Gives the answer's message; or, framed, the parts of one that is made while it is sent. */
export type UnaryMethod = (request: Buffer, metadata: Headers) => Promise<Uint8Array | Parts>

/** A method that tells its answer itself, for calls that are so many that a promise counts. */
export type DirectMethod = (request: Buffer, metadata: Headers, call: Answering) => void

export interface Answering {
  /** The answer's message, framed. */
  answer(framed: Buffer): void
  /** The same in parts, which are asked for as fast as the client takes them. */
  answerInParts(framed: Parts): void
  fail(error: unknown): void
}

/** How many calls of a server may be under way together. */
export class UnaryBounds {
  readonly #callsMax: number
  #calls = 0

  /** `callsMax`: methods under way, also for clients that are gone. */
  constructor(callsMax: number) {
    this.#callsMax = callsMax
  }

  /** Throws StatusError when there are too many. */
  begin(): void {
    if (this.#calls >= this.#callsMax) throw etcdError('tooManyRequests')
    this.#calls += 1
  }

  end(): void {
    this.#calls -= 1
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
  /** A part of the answer has gone out. */
  #begun = false
  readonly #deadline: NodeJS.Timeout | undefined
  #drained: PromiseWithResolvers<void> | undefined

  constructor(stream: ServerStream, parts: UnaryParts) {
    this.#stream = stream
    this.#parts = parts
    this.#deadline = atDeadline(stream.headers, (error) => {
      if (this.#begun) stream.reset(errorCodes.CANCEL)
      else this.#refuse(error)
    })
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
    clearTimeout(this.#deadline)
    this.#called = true
    this.#release()
    this.drained()
  }

  drained(): void {
    this.#drained?.resolve()
    this.#drained = undefined
  }

  #collect(chunk: Buffer): void {
    this.#held += chunk.length
    this.#stream.hold(chunk.length)
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
    this.#begun = true
    answer(this.#stream, framed)
  }

  answerInParts(framed: Parts): void {
    this.#begun = true
    this.#stream.respond(RESPONSE, false)
    this.#send(framed).catch((error: unknown) => {
      // Half a message cannot be followed by a status.
      this.#parts.failed(error)
      this.#stream.reset(errorCodes.INTERNAL_ERROR)
    })
  }

  async #send(framed: Parts): Promise<void> {
    try {
      for await (const part of framed) {
        if (this.#stream.closed) return
        if (this.#stream.write(part)) continue
        this.#drained = Promise.withResolvers<void>()
        await this.#drained.promise
      }
      this.#stream.end(OK)
    } finally {
      this.#parts.bounds.end()
    }
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
    if (this.#held > 0) this.#stream.hold(-this.#held)
    this.#held = 0
    this.#reader = undefined
  }
}

/** A method with a promise as one that tells its answer itself. */
export function direct(method: UnaryMethod): DirectMethod {
  return (request, metadata, call) => {
    method(request, metadata).then(
      (message) => {
        if (message instanceof Uint8Array) call.answer(frame(message))
        else call.answerInParts(message)
      },
      (error: unknown) => call.fail(error),
    )
  }
}

/** Nothing but one message that is not compressed. */
function isWhole(chunk: Buffer): boolean {
  const length = chunk.length - HEAD_BYTES
  return length >= 0 && length <= REQUEST_BYTES_MAX && chunk[0] === 0 && chunk.readUInt32BE(1) === length
}
