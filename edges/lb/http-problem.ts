import { type ServerResponse, STATUS_CODES } from 'node:http'
import type { Socket } from 'node:net'

/** Every answer the balancer gives by itself: its stable code, status and what it tells a person. */
export const problems = {
  REQUEST_MALFORMED: { status: 400, detail: 'The request is not valid HTTP/1.1 (RFC 9112).' },
  REQUEST_TIMEOUT: { status: 408, detail: 'The request did not arrive in time.' },
  BODY_TOO_LARGE: { status: 413, detail: 'The request body is larger than this balancer passes on.' },
  EXPECTATION_UNKNOWN: { status: 417, detail: 'Of all expectations only 100-continue is known.' },
  HEADER_TOO_LARGE: { status: 431, detail: 'The header section is too large or has too many fields.' },
  METHOD_NOT_IMPLEMENTED: { status: 501, detail: 'CONNECT is not passed on.' },
  TRANSFER_CODING_UNKNOWN: { status: 501, detail: 'Of all transfer codings only chunked is known.' },
  MEMBER_RESPONSE_INVALID: {
    status: 502,
    detail: 'The member answered with something that is not valid HTTP.',
  },
  MEMBER_CONNECTION_LOST: { status: 502, detail: 'The member closed the connection before it answered.' },
  NO_MEMBER_AVAILABLE: { status: 503, detail: 'No member is online and taking requests.' },
  MEMBER_UNREACHABLE: { status: 503, detail: 'No member that was tried accepted a connection.' },
  QUEUE_FULL: { status: 503, detail: 'All members are busy and the queue is full.' },
  QUEUE_TIMEOUT: { status: 503, detail: 'All members were busy for as long as a request may wait.' },
  LOOP_DETECTED: { status: 508, detail: 'The request came back to balancers it had passed before.' },
  MEMBER_TIMEOUT: { status: 504, detail: 'The member did not answer in time.' },
} as const satisfies Readonly<Record<string, { readonly status: number; readonly detail: string }>>

export type ProblemCode = keyof typeof problems

/** How long a refused client may take to notice before its connection is cut. */
const lingerMilliseconds = 1_000
const lingerBytesMax = 1024 ** 2

function body(code: ProblemCode): string {
  const { status, detail } = problems[code]
  return `${JSON.stringify({ type: 'about:blank', title: STATUS_CODES[status], status, code, detail })}\n`
}

/**
 * Answers through `response`, whose request has been read to its end. The connection stays usable when the trouble was
 * a member's; after a request that should not have been sent like this, nothing more is read from it.
 */
export function respondProblem(response: ServerResponse, code: ProblemCode): void {
  const { status } = problems[code]
  if (status < 500 || status === 501 || status === 508) response.shouldKeepAlive = false
  const text = body(code)
  response.writeHead(status, [
    'Content-Type',
    'application/problem+json',
    'Content-Length',
    String(Buffer.byteLength(text)),
    'Cache-Control',
    'no-store',
  ])
  response.end(text)
}

/** Answers on the bare connection, in the middle of a request or of what is none, and closes it. */
export function closeWithProblem(socket: Socket, code: ProblemCode, withBody = true): void {
  if (!socket.writable) {
    socket.destroy()
    return
  }
  const text = body(code)
  const { status } = problems[code]
  socket.write(
    `HTTP/1.1 ${status} ${STATUS_CODES[status]}\r\nContent-Type: application/problem+json\r\n` +
      `Content-Length: ${Buffer.byteLength(text)}\r\nCache-Control: no-store\r\nDate: ${new Date().toUTCString()}\r\n` +
      `Connection: close\r\n\r\n${withBody ? text : ''}`,
  )
  closeInStages(socket)
}

/**
 * Ends our side at once, the other after a while (RFC 9112 §9.6): what the client still sends is read and thrown away,
 * since closing over unread bytes would reset the connection and take the answer with it.
 */
export function closeInStages(socket: Socket): void {
  socket.end()
  const timer = setTimeout(() => socket.destroy(), lingerMilliseconds)
  socket.once('close', () => clearTimeout(timer))
  const start = socket.bytesRead
  socket.on('data', () => {
    if (socket.bytesRead - start > lingerBytesMax) socket.destroy()
  })
  socket.resume()
}
