import { STATUS_CODES } from 'node:http'
import type { Socket } from 'node:net'
import { Rejection } from '../../domains/kernel/rejection.ts'
import { PROBLEM_TYPE, problemOf } from './problem.ts'

const REQUEST_TIMEOUT = 408

/** Answers what is no HTTP request, or comes too slowly, with a problem, and ends the connection: nothing after it can be understood. */
export function refuseBroken(error: NodeJS.ErrnoException, socket: Socket): void {
  if (error.code !== 'ECONNRESET' && socket.writable) {
    const problem = brokenProblem(error.code)
    const body = JSON.stringify(problem)
    const head = [
      `HTTP/1.1 ${problem.status} ${STATUS_CODES[problem.status]}`,
      'connection: close',
      `content-type: ${PROBLEM_TYPE}`,
      `content-length: ${Buffer.byteLength(body)}`,
    ]
    socket.write(`${head.join('\r\n')}\r\n\r\n${body}`)
  }
  socket.destroySoon()
}

function brokenProblem(code: string | undefined) {
  switch (code) {
    case 'ERR_HTTP_REQUEST_TIMEOUT':
      return problemOf(new Rejection('TIMEOUT', 'the request did not come in time'), REQUEST_TIMEOUT)
    case 'HPE_HEADER_OVERFLOW':
      return problemOf(new Rejection('TOO_LARGE', 'the header section is larger than the bound'), 431)
    default:
      return problemOf(new Rejection('INVALID_ARGUMENT', 'this is no HTTP/1.1 request (RFC 9112)'), 400)
  }
}
