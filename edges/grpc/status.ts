import { Metadata, type ServiceError, type StatusObject, status } from '@grpc/grpc-js'
import { type Code, codes, type Details, Rejection } from '../../domains/kernel/rejection.ts'

/** Trailers with the stable code and, as JSON, what belongs to it. */
export const CODE_TRAILER = 'ultracloud-code'
export const DETAILS_TRAILER = 'ultracloud-details'

/** Peers refuse trailers beyond 8 KiB in all: details that would not fit are left out, and say so. */
const DETAILS_BYTES_MAX = 4096
const MESSAGE_CHARACTERS_MAX = 1024

/** The gRPC status of a rejection. Anything else that is thrown is a fault of the service and tells the client nothing more. */
export function toStatus(error: unknown): Partial<StatusObject> {
  const { code, message, details } = error instanceof Rejection ? error : internal
  const metadata = new Metadata()
  metadata.set(CODE_TRAILER, code)
  metadata.set(DETAILS_TRAILER, asciiJson(details))
  return { code: status[codes[code].grpc], details: shortened(message), metadata }
}

const internal = new Rejection('INTERNAL', 'a fault of the service; its log says more')

/** JSON in US-ASCII, as trailers must be. */
function asciiJson(details: Details): string {
  const json = JSON.stringify(details).replaceAll(
    /[^\x20-\x7e]/g,
    (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`,
  )
  return json.length <= DETAILS_BYTES_MAX ? json : '{"truncated":true}'
}

function shortened(message: string): string {
  return message.length <= MESSAGE_CHARACTERS_MAX ? message : `${message.slice(0, MESSAGE_CHARACTERS_MAX)}…`
}

/** The rejection behind an error that a call ended with. `unanswered` is the code when the service itself did not answer. */
export function fromServiceError(error: ServiceError, unanswered: Code = 'UNAVAILABLE'): Rejection {
  const code = String(error.metadata?.get(CODE_TRAILER)[0] ?? '')
  if (code in codes) return new Rejection(code as Code, error.details, detailsOf(error))
  return new Rejection(
    codeOf(error.code, unanswered),
    unconnected(error.details) ?? (error.details || error.message),
  )
}

/** What grpc-js says of a connection that was not made, without what it says of its own workings. */
function unconnected(details: string): string | undefined {
  const [, reason] =
    /^No connection established\. Last error: (?:Error: )?(.*?)\.? Resolution note:/s.exec(details) ?? []
  return reason === undefined ? undefined : `no connection: ${reason}`
}

function detailsOf(error: ServiceError): Details {
  try {
    return JSON.parse(String(error.metadata.get(DETAILS_TRAILER)[0] ?? '{}')) as Details
  } catch {
    return {}
  }
}

/** For statuses that grpc itself made. */
function codeOf(code: status, unanswered: Code): Code {
  switch (code) {
    case status.UNAVAILABLE:
    case status.CANCELLED:
      return unanswered
    case status.DEADLINE_EXCEEDED:
      return unanswered === 'UNAVAILABLE' ? 'TIMEOUT' : unanswered
    case status.UNIMPLEMENTED:
      return 'UNKNOWN_COMMAND'
    case status.RESOURCE_EXHAUSTED:
      return 'TOO_LARGE'
    case status.UNAUTHENTICATED:
      return 'UNAUTHENTICATED'
    case status.PERMISSION_DENIED:
      return 'PERMISSION_DENIED'
    case status.INVALID_ARGUMENT:
      return 'INVALID_ARGUMENT'
    default:
      return 'INTERNAL'
  }
}
