import { LogError } from '../../log/log.ts'
import { type Code, Rejection } from './rejection.ts'

const codes: Readonly<Record<LogError['code'], Code>> = {
  NOT_LEADER: 'NOT_LEADER',
  OUTCOME_UNKNOWN: 'OUTCOME_UNKNOWN',
  FENCED: 'NOT_LEADER',
  OVERLOADED: 'OVERLOADED',
  TOO_LARGE: 'TOO_LARGE',
  TIMEOUT: 'TIMEOUT',
  CLOSED: 'UNAVAILABLE',
  STORAGE: 'UNAVAILABLE',
}

/** Whatever the log threw, as a rejection. */
export function asRejection(error: unknown): Rejection {
  if (error instanceof Rejection) return error
  if (error instanceof LogError) return new Rejection(codes[error.code], error.message)
  return new Rejection('INTERNAL', error instanceof Error ? error.message : String(error))
}
