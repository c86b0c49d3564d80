import type { ClientRequest } from 'node:http'

/**
 * Calls `connected` once the request has a connection to its member, new or kept; a new one that takes longer than
 * `milliseconds` ends the request with an error.
 */
export function whenConnected(outgoing: ClientRequest, milliseconds: number, connected: () => void): void {
  outgoing.once('socket', (socket) => {
    if (!socket.connecting) {
      connected()
      return
    }
    const timer = setTimeout(() => outgoing.destroy(connectTimeout(milliseconds)), milliseconds)
    socket.once('close', () => clearTimeout(timer))
    socket.once('connect', () => {
      clearTimeout(timer)
      connected()
    })
  })
}

export function connectTimeout(milliseconds: number): Error {
  return new Error(`no answer within ${milliseconds} ms`)
}
