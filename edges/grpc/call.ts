import type { Actor } from '../../domains/kernel/domain.ts'
import { codes, Rejection } from '../../domains/kernel/rejection.ts'

export type Fields = Readonly<Record<string, unknown>>

/** Who calls, and until when the answer is of use. */
export interface Call {
  readonly actor: Actor
  /** Milliseconds left; undefined when the client set no deadline. */
  readonly remainingMilliseconds: number | undefined
  /** Aborts when the client is gone or the server stops. */
  readonly signal: AbortSignal
}

export type UnaryHandler = (request: Fields, call: Call) => Promise<Fields>
export type StreamHandler = (request: Fields, call: Call) => AsyncIterable<Fields>

/** The bearer token of RFC 6750 §2.1; undefined when there is none. */
export function bearerToken(header: unknown): string | undefined {
  return typeof header === 'string' ? /^Bearer +([^\s]+)$/i.exec(header)?.[1] : undefined
}

/** Whether it is a rejection with a code that clients know. */
export function isRejection(error: unknown): error is Rejection {
  return error instanceof Rejection && error.code in codes
}
