import { codes, Rejection } from '../../domains/kernel/rejection.ts'

/** gRPC status codes (grpc/doc/statuscodes.md), those that are used here. */
const numbers = {
  OK: 0,
  CANCELLED: 1,
  UNKNOWN: 2,
  INVALID_ARGUMENT: 3,
  DEADLINE_EXCEEDED: 4,
  NOT_FOUND: 5,
  ALREADY_EXISTS: 6,
  PERMISSION_DENIED: 7,
  RESOURCE_EXHAUSTED: 8,
  FAILED_PRECONDITION: 9,
  ABORTED: 10,
  OUT_OF_RANGE: 11,
  UNIMPLEMENTED: 12,
  INTERNAL: 13,
  UNAVAILABLE: 14,
  DATA_LOSS: 15,
  UNAUTHENTICATED: 16,
} as const
export type StatusName = keyof typeof numbers

/** What ends a call: a status and, in etcd's words, why. */
export class StatusError extends Error {
  readonly code: number
  constructor(code: StatusName | number, message: string) {
    super(message)
    this.name = 'StatusError'
    this.code = typeof code === 'number' ? code : numbers[code]
  }
}

/** The errors that clients tell apart by their text (etcd 3.4, api/v3rpc/rpctypes/error.go). */
const words = {
  emptyKey: ['INVALID_ARGUMENT', 'key is not provided'],
  keyNotFound: ['INVALID_ARGUMENT', 'key not found'],
  valueProvided: ['INVALID_ARGUMENT', 'value is provided'],
  leaseProvided: ['INVALID_ARGUMENT', 'lease is provided'],
  tooManyOperations: ['INVALID_ARGUMENT', 'too many operations in txn request'],
  duplicateKey: ['INVALID_ARGUMENT', 'duplicate key given in txn request'],
  requestTooLarge: ['INVALID_ARGUMENT', 'request is too large'],
  leaseNotFound: ['NOT_FOUND', 'requested lease not found'],
  leaseTtlTooLarge: ['OUT_OF_RANGE', 'too large lease TTL'],
  tooManyRequests: ['RESOURCE_EXHAUSTED', 'too many requests'],
  authNotEnabled: ['FAILED_PRECONDITION', 'authentication is not enabled'],
  permissionDenied: ['PERMISSION_DENIED', 'permission denied'],
  noLeader: ['UNAVAILABLE', 'no leader'],
  notLeader: ['FAILED_PRECONDITION', 'not leader'],
  stopped: ['UNAVAILABLE', 'server stopped'],
  timeout: ['UNAVAILABLE', 'request timed out'],
  timeoutLeaderLost: ['UNAVAILABLE', 'request timed out, possibly due to previous leader failure'],
  timeoutConnectionLost: ['UNAVAILABLE', 'request timed out, possibly due to connection lost'],
} as const satisfies Record<string, readonly [StatusName, string]>
export type Word = keyof typeof words

export function etcdError(word: Word): StatusError {
  const [code, text] = words[word]
  return new StatusError(code, `etcdserver: ${text}`)
}

const ownWords: Partial<Record<Rejection['code'], Word>> = {
  OUTCOME_UNKNOWN: 'timeoutLeaderLost',
  NOT_LEADER: 'notLeader',
  OVERLOADED: 'tooManyRequests',
  TOO_LARGE: 'requestTooLarge',
  TIMEOUT: 'timeout',
}

/** Whatever was thrown, as a status. */
export function statusOf(error: unknown): StatusError {
  if (error instanceof StatusError) return error
  if (!(error instanceof Rejection))
    return new StatusError('INTERNAL', error instanceof Error ? error.message : String(error))
  if (error.message.startsWith('etcdserver: ')) return new StatusError(codes[error.code].grpc, error.message)
  const word = ownWords[error.code]
  return word === undefined
    ? new StatusError(codes[error.code].grpc, `etcdserver: ${error.message}`)
    : etcdError(word)
}
