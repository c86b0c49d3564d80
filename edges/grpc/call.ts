import type { Actor } from '../../domains/kernel/domain.ts'

export type Fields = Readonly<Record<string, unknown>>

/** Who calls, and until when the answer is of use. */
export interface Call {
  readonly actor: Actor
  readonly token: string | undefined
  /** Another member has passed it on: it is answered here, or not at all. */
  readonly forwarded: boolean
  /** Milliseconds left; undefined when the client set no deadline. */
  readonly remainingMilliseconds: number | undefined
}

export interface StreamCall extends Call {
  /** Aborts when the client is gone or the server stops. */
  readonly signal: AbortSignal
}

export type UnaryHandler = (request: Fields, call: Call) => Promise<Fields>
export type StreamHandler = (request: Fields, call: StreamCall) => AsyncIterable<Fields>
