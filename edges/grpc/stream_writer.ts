import type { ServerWritableStream } from '@grpc/grpc-js'
import { Rejection } from '../../domains/kernel/rejection.ts'

type Stream = ServerWritableStream<Buffer, Buffer>

/** What may be on its way to one reader before more is pulled; one message may go beyond it. */
const BYTES_IN_FLIGHT_MAX = 256 * 1024

/**
 * Writes what an iterable yields, and pulls no more while the reader is behind. A reader that takes nothing for
 * `slowMilliseconds` is given up: throws Rejection OVERLOADED, which it gets once it has taken what is on its way.
 */
export async function writeAll<T>(
  stream: Stream,
  values: AsyncIterable<T>,
  encode: (value: T) => Buffer,
  signal: AbortSignal,
  slowMilliseconds: number,
): Promise<void> {
  const flow = new Flow(stream, signal, slowMilliseconds)
  for await (const value of values) {
    if (signal.aborted) return
    flow.write(encode(value))
    await flow.room()
    if (signal.aborted) return
  }
}

/** Counts the bytes between the server and one reader. */
class Flow {
  readonly #stream: Stream
  readonly #signal: AbortSignal
  readonly #slowMilliseconds: number
  #bytesInFlight = 0
  #onTaken: (() => void) | undefined

  constructor(stream: Stream, signal: AbortSignal, slowMilliseconds: number) {
    this.#stream = stream
    this.#signal = signal
    this.#slowMilliseconds = slowMilliseconds
  }

  write(bytes: Buffer): void {
    this.#bytesInFlight += bytes.length
    this.#stream.write(bytes, () => {
      this.#bytesInFlight -= bytes.length
      this.#onTaken?.()
    })
  }

  /** Resolves when there is room for more, or the signal aborts. */
  async room(): Promise<void> {
    while (this.#bytesInFlight > BYTES_IN_FLIGHT_MAX && !this.#signal.aborted) await this.#taken()
  }

  /** Resolves when the reader has taken something, or the signal aborts. */
  #taken(): Promise<void> {
    return new Promise((resolve, reject) => {
      const settle = (): void => {
        clearTimeout(timer)
        this.#signal.removeEventListener('abort', settle)
        this.#onTaken = undefined
        resolve()
      }
      const timer = setTimeout(() => {
        this.#signal.removeEventListener('abort', settle)
        this.#onTaken = undefined
        reject(tooSlow(this.#slowMilliseconds))
      }, this.#slowMilliseconds)
      this.#signal.addEventListener('abort', settle)
      this.#onTaken = settle
    })
  }
}

function tooSlow(milliseconds: number): Rejection {
  return new Rejection('OVERLOADED', `the reader took nothing for ${milliseconds} ms: resume where you are`)
}
