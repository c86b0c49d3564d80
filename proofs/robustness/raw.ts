import { connect as connectHttp2, type IncomingHttpHeaders } from 'node:http2'
import { connect, type Socket } from 'node:net'

const ANSWER_MS = 10_000

export interface GrpcAnswer {
  /** The gRPC status; -1 when the stream ended without one. */
  readonly status: number
  /** The stable code. */
  readonly code: string
}

/** One gRPC call made by hand (gRPC over HTTP/2): whatever bytes, whatever headers. */
export function grpcCall(
  address: string,
  path: string,
  body: Buffer,
  headers: Readonly<Record<string, string>>,
): Promise<GrpcAnswer> {
  return new Promise((resolve, reject) => {
    const session = connectHttp2(`http://${address}`)
    const timer = setTimeout(
      () => finish(new Error(`no answer to ${path} within ${ANSWER_MS} ms`)),
      ANSWER_MS,
    )
    let answer: GrpcAnswer = { status: -1, code: '' }
    const finish = (error?: Error): void => {
      clearTimeout(timer)
      session.destroy()
      if (error === undefined) resolve(answer)
      else reject(error)
    }
    const take = (found: IncomingHttpHeaders): void => {
      if (found['grpc-status'] === undefined) return
      answer = { status: Number(found['grpc-status']), code: String(found['ultracloud-code'] ?? '') }
    }
    session.on('error', finish)
    const stream = session.request({
      ':method': 'POST',
      ':path': path,
      'content-type': 'application/grpc',
      te: 'trailers',
      ...headers,
    })
    stream.on('response', take)
    stream.on('trailers', take)
    stream.on('error', () => finish())
    stream.on('close', () => finish())
    stream.resume()
    stream.end(body)
  })
}

/** A message in its gRPC frame: not compressed, and its length. */
export function frame(message: Buffer): Buffer {
  const head = Buffer.alloc(5)
  head.writeUInt32BE(message.length, 1)
  return Buffer.concat([head, message])
}

/** A TCP connection, open. */
export function dial(address: string): Promise<Socket> {
  const colon = address.lastIndexOf(':')
  return new Promise((resolve, reject) => {
    const socket = connect(Number(address.slice(colon + 1)), address.slice(0, colon))
    socket.once('connect', () => {
      socket.off('error', reject)
      socket.on('error', () => undefined)
      resolve(socket)
    })
    socket.once('error', reject)
  })
}

/** Sends bytes over TCP, and gives what came back until the other side closed. Rejects when it does not close in time. */
export async function exchange(address: string, bytes: Buffer | string): Promise<string> {
  const socket = await dial(address)
  const parts: Buffer[] = []
  return await new Promise((resolve, reject) => {
    const timer = setTimeout(() => {
      socket.destroy()
      reject(new Error(`${address} has not closed the connection within ${ANSWER_MS} ms`))
    }, ANSWER_MS)
    socket.on('data', (part: Buffer) => parts.push(part))
    socket.on('close', () => {
      clearTimeout(timer)
      resolve(Buffer.concat(parts).toString('latin1'))
    })
    socket.write(bytes)
  })
}
