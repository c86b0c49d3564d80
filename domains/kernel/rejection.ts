/** Every stable code a client can get, with its gRPC status and its HTTP status (RFC 9457). The one place where they are mapped. */
export const codes = {
  INVALID_ARGUMENT: {
    grpc: 'INVALID_ARGUMENT',
    http: 400,
    title: 'The request does not fit the contract',
  },
  UNAUTHENTICATED: { grpc: 'UNAUTHENTICATED', http: 401, title: 'No valid token was given' },
  PERMISSION_DENIED: { grpc: 'PERMISSION_DENIED', http: 403, title: 'The actor lacks the permission' },
  NOT_FOUND: { grpc: 'NOT_FOUND', http: 404, title: 'There is no such resource' },
  UNKNOWN_COMMAND: { grpc: 'UNIMPLEMENTED', http: 404, title: 'There is no such command' },
  ALREADY_EXISTS: { grpc: 'ALREADY_EXISTS', http: 409, title: 'The name is taken' },
  IN_USE: { grpc: 'FAILED_PRECONDITION', http: 409, title: 'Other resources use it' },
  FAILED_PRECONDITION: {
    grpc: 'FAILED_PRECONDITION',
    http: 409,
    title: 'The state of the resource does not allow it',
  },
  REVISION_MISMATCH: { grpc: 'ABORTED', http: 412, title: 'The resource has changed since' },
  QUOTA_EXCEEDED: { grpc: 'RESOURCE_EXHAUSTED', http: 409, title: 'The quota does not allow it' },
  POOL_EXHAUSTED: { grpc: 'RESOURCE_EXHAUSTED', http: 409, title: 'The pool has nothing left' },
  NO_CAPACITY: { grpc: 'RESOURCE_EXHAUSTED', http: 409, title: 'No host can take it' },
  COMMAND_ID_REUSED: {
    grpc: 'ALREADY_EXISTS',
    http: 409,
    title: 'The command id was used for another request',
  },
  COMMAND_ID_EXPIRED: {
    grpc: 'FAILED_PRECONDITION',
    http: 409,
    title: 'The command id is older than the dedupe window',
  },
  TOO_LARGE: { grpc: 'RESOURCE_EXHAUSTED', http: 413, title: 'It is larger than the bound' },
  OVERLOADED: { grpc: 'RESOURCE_EXHAUSTED', http: 429, title: 'A queue is full: try again later' },
  REVISION_COMPACTED: { grpc: 'OUT_OF_RANGE', http: 410, title: 'That revision is not kept' },
  REVISION_UNKNOWN: { grpc: 'OUT_OF_RANGE', http: 400, title: 'That revision or time is not in the log' },
  HISTORY_MISMATCH: {
    grpc: 'FAILED_PRECONDITION',
    http: 409,
    title: 'That cursor belongs to another history',
  },
  OUTCOME_UNKNOWN: {
    grpc: 'UNAVAILABLE',
    http: 503,
    title: 'It may or may not happen: retry with the same command id',
  },
  NOT_LEADER: { grpc: 'UNAVAILABLE', http: 503, title: 'This member does not lead' },
  UNAVAILABLE: { grpc: 'UNAVAILABLE', http: 503, title: 'Not available now' },
  TIMEOUT: { grpc: 'DEADLINE_EXCEEDED', http: 504, title: 'It took too long' },
  BACKUP_DAMAGED: { grpc: 'DATA_LOSS', http: 500, title: 'The file is no sound backup' },
  INTERNAL: { grpc: 'INTERNAL', http: 500, title: 'A fault of the service' },
} as const satisfies Record<string, { grpc: string; http: number; title: string }>

export type Code = keyof typeof codes

export type Details = Readonly<Record<string, unknown>>

/** Why a command or a read was refused: a stable code, and a sentence that says what is wrong and what would be right. */
export class Rejection extends Error {
  readonly code: Code
  readonly details: Details
  constructor(code: Code, message: string, details: Details = {}) {
    super(message)
    this.name = 'Rejection'
    this.code = code
    this.details = details
  }
}

/** Ends the decision: nothing of it happens. */
export function reject(code: Code, message: string, details: Details = {}): never {
  throw new Rejection(code, message, details)
}
