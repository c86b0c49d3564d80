import {
  type ClientHttp2Session,
  type ClientHttp2Stream,
  connect,
  type IncomingHttpHeaders,
} from 'node:http2'
import { FrameReader, frame } from '../frames.ts'
import { decodeAny, encode } from '../messages.ts'

const MESSAGE_BYTES_MAX = 64 << 20

/** An answer, or the status it was refused with. */
export type Answer =
  | { readonly ok: true; readonly message: Record<string, unknown> }
  | { readonly ok: false; readonly code: number; readonly text: string }

/** Speaks gRPC to any server of the etcd API, ours or etcd itself, and shows all that it says. */
export class RawClient implements Disposable {
  readonly #session: ClientHttp2Session

  constructor(address: string) {
    this.#session = connect(`http://${address}`)
    this.#session.on('error', () => this.#session.destroy())
  }

  /** `KV/Range`, with the names of its messages. */
  async call(method: string, request: string, response: string, fields: object): Promise<Answer> {
    const stream = this.open(method)
    stream.end(frame(encode(request, fields)))
    const reader = new FrameReader(MESSAGE_BYTES_MAX)
    const messages: Buffer[] = []
    stream.on('data', (chunk: Buffer) => messages.push(...reader.take(chunk)))
    const { code, text } = await ended(stream)
    const [message] = messages
    if (code !== 0 || message === undefined) return { ok: false, code, text }
    return { ok: true, message: decodeAny(response, message) }
  }

  open(method: string, metadata: Record<string, string> = {}): ClientHttp2Stream {
    const stream = this.#session.request({
      ':method': 'POST',
      ':path': `/etcdserverpb.${method}`,
      'content-type': 'application/grpc',
      te: 'trailers',
      ...metadata,
    })
    stream.on('error', () => undefined)
    return stream
  }

  [Symbol.dispose](): void {
    this.#session.destroy()
  }
}

/** The status a call ended with; UNAVAILABLE when the connection was lost. */
export function ended(stream: ClientHttp2Stream): Promise<{ readonly code: number; readonly text: string }> {
  let status = { code: 14, text: 'the connection was lost' }
  const note = (headers: IncomingHttpHeaders): void => {
    const code = headers['grpc-status']
    if (code !== undefined)
      status = { code: Number(code), text: decodeURIComponent(String(headers['grpc-message'] ?? '')) }
  }
  stream.on('response', note)
  stream.on('trailers', note)
  return new Promise((resolve) => stream.on('close', () => resolve(status)))
}

/** A watch stream: what it was told, as it comes. */
export class RawWatch {
  readonly #stream: ClientHttp2Stream
  readonly #reader = new FrameReader(MESSAGE_BYTES_MAX)
  readonly responses: Record<string, unknown>[] = []
  readonly ended: Promise<{ readonly code: number; readonly text: string }>

  constructor(client: RawClient, metadata: Record<string, string> = {}) {
    this.#stream = client.open('Watch/Watch', metadata)
    this.ended = ended(this.#stream)
    this.#stream.on('data', (chunk: Buffer) => {
      for (const message of this.#reader.take(chunk)) this.responses.push(decodeAny('WatchResponse', message))
    })
  }

  send(fields: object): void {
    this.sendBytes(encode('WatchRequest', fields))
  }

  sendBytes(message: Uint8Array): void {
    this.#stream.write(frame(message))
  }

  /** Takes no more until `resume`: a slow client. */
  pause(): void {
    this.#stream.pause()
  }

  resume(): void {
    this.#stream.resume()
  }

  close(): void {
    this.#stream.destroy()
  }
}
