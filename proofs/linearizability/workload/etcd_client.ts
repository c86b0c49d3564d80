import {
  type ClientHttp2Session,
  type ClientHttp2Stream,
  connect,
  type IncomingHttpHeaders,
} from 'node:http2'
import { FrameReader, frame } from '../../../edges/etcd/frames.ts'
import { decodeAny, encode } from '../../../edges/etcd/messages.ts'

const MESSAGE_BYTES_MAX = 64 << 20

export type Message = Readonly<Record<string, unknown>>

export interface Method {
  /** `KV/Range`. */
  readonly method: string
  /** The names of its messages. */
  readonly request: string
  readonly response: string
}

export type Answer =
  | { readonly kind: 'answer'; readonly message: Message }
  /** The server said no: a gRPC status and its words. */
  | { readonly kind: 'error'; readonly code: number; readonly text: string }
  /** The request was never sent: no connection came about. */
  | { readonly kind: 'unsent' }
  /** No answer came: it may have been carried out, or be carried out yet. */
  | { readonly kind: 'silence' }

interface Connection {
  readonly session: ClientHttp2Session
  isConnected: boolean
}

/** Speaks to one member. A connection that failed or went silent is given up, and the next call makes another one. */
export class EtcdClient {
  readonly #address: string
  #connection: Connection | undefined

  constructor(address: string) {
    this.#address = address
  }

  call({ method, request, response }: Method, fields: object, timeoutMilliseconds: number): Promise<Answer> {
    const connection = this.#connect()
    const stream = this.open(method)
    const reader = new FrameReader(MESSAGE_BYTES_MAX)
    let message: Buffer | undefined
    let status: { readonly code: number; readonly text: string } | undefined
    const note = (headers: IncomingHttpHeaders): void => {
      status ??= statusIn(headers)
    }
    stream.on('response', note)
    stream.on('trailers', note)
    stream.on('data', (chunk: Buffer) => {
      message ??= reader.take(chunk)[0]
    })
    const timer = setTimeout(() => this.#giveUp(connection), timeoutMilliseconds)
    const closed = new Promise<Answer>((resolve) => {
      stream.on('close', () => {
        clearTimeout(timer)
        if (status?.code === 0 && message !== undefined)
          resolve({ kind: 'answer', message: decodeAny(response, message) })
        else if (status !== undefined && status.code !== 0) resolve({ kind: 'error', ...status })
        else resolve({ kind: connection.isConnected ? 'silence' : 'unsent' })
      })
    })
    stream.end(frame(encode(request, fields)))
    return closed
  }

  open(method: string): ClientHttp2Stream {
    const stream = this.#connect().session.request({
      ':method': 'POST',
      ':path': `/etcdserverpb.${method}`,
      'content-type': 'application/grpc',
      te: 'trailers',
    })
    stream.on('error', () => undefined)
    return stream
  }

  close(): void {
    this.#connection?.session.destroy()
    this.#connection = undefined
  }

  #connect(): Connection {
    const known = this.#connection
    if (known !== undefined && !known.session.closed && !known.session.destroyed) return known
    const session = connect(`http://${this.#address}`)
    const connection = { session, isConnected: false }
    session.once('connect', () => (connection.isConnected = true))
    session.on('error', () => session.destroy())
    session.on('goaway', () => session.destroy())
    this.#connection = connection
    return connection
  }

  #giveUp(connection: Connection): void {
    connection.session.destroy()
    if (this.#connection === connection) this.#connection = undefined
  }
}

function statusIn(
  headers: IncomingHttpHeaders,
): { readonly code: number; readonly text: string } | undefined {
  const code = headers['grpc-status']
  if (code === undefined) return undefined
  return { code: Number(code), text: decodeURIComponent(String(headers['grpc-message'] ?? '')) }
}
