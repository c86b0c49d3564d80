import type { ServerWritableStream } from '@grpc/grpc-js'
import { Rejection } from '../../domains/kernel/rejection.ts'

/**
 * Writes what an iterable yields, and pulls no more while the stream's buffer is full. A reader that takes nothing for
 * `slowMilliseconds` is given up: throws Rejection OVERLOADED.
 */
export async function writeAll<T>(
  stream: ServerWritableStream<Buffer, Buffer>,
  values: AsyncIterable<T>,
  encode: (value: T) => Buffer,
  signal: AbortSignal,
  slowMilliseconds: number,
): Promise<void> {
  for await (const value of values) {
    if (signal.aborted) return
    if (!stream.write(encode(value))) await drained(stream, signal, slowMilliseconds)
    if (signal.aborted) return
  }
}

function drained(
  stream: ServerWritableStream<Buffer, Buffer>,
  signal: AbortSignal,
  slowMilliseconds: number,
): Promise<void> {
  return new Promise((resolve, reject) => {
    const settle = (error?: Rejection): void => {
      clearTimeout(timer)
      stream.off('drain', onDrain)
      signal.removeEventListener('abort', onDrain)
      if (error === undefined) resolve()
      else reject(error)
    }
    const onDrain = (): void => settle()
    const timer = setTimeout(
      () =>
        settle(
          new Rejection(
            'OVERLOADED',
            `the reader took nothing for ${slowMilliseconds} ms: resume where you are`,
          ),
        ),
      slowMilliseconds,
    )
    stream.on('drain', onDrain)
    signal.addEventListener('abort', onDrain)
  })
}
