import { type Cleanup, open, readAll, tcpPeer } from './test-support.ts'

/** Sends `text` and gives all that comes back until the balancer ends the connection. */
export async function talk(cleanup: Cleanup, port: number, text: string, end = true): Promise<string> {
  const socket = await open(cleanup, port, true)
  const answer = readAll(socket)
  if (end) socket.end(text, 'latin1')
  else socket.write(text, 'latin1')
  return answer
}

/** The head of a request. */
export function request(line: string, ...fields: string[]): string {
  return [`${line} HTTP/1.1`, 'Host: web.demo.test', ...fields, '', ''].join('\r\n')
}

/** Status and code of a problem answer. */
export function problemOf(answer: string): unknown {
  const { status, code } = JSON.parse(answer.slice(answer.indexOf('\r\n\r\n')))
  return { status, code }
}

/** A member that answers the first bytes with these. */
export async function rawMember(cleanup: Cleanup, answer: string): Promise<number> {
  const peer = await tcpPeer(cleanup, (socket) => {
    socket.once('data', () => socket.end(answer))
  })
  return peer.port
}
