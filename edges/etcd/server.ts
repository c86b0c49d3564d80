import {
  createSecureServer,
  createServer,
  type Http2SecureServer,
  type Http2Server,
  type IncomingHttpHeaders,
  type ServerHttp2Session,
  type ServerHttp2Stream,
} from 'node:http2'
import type { AddressInfo } from 'node:net'
import type { PeerCertificate, TLSSocket } from 'node:tls'
import type { SecureListening } from '../../log/tls/grpc_listener.ts'
import { guard, secureServerOptions } from '../../log/tls/guard.ts'
import { answer, CallStream, REQUEST_BYTES_MAX, refuse } from './call_stream.ts'
import { FrameReader } from './frames.ts'
import { etcdError, StatusError, statusOf } from './status.ts'

/** Calls under way on one connection, at most. */
const STREAMS_MAX = 4096
const WINDOW_BYTES = 1 << 20
const CONNECTIONS_MAX = 4096
/** Mebibytes that one connection may hold back. */
const SESSION_MEBIBYTES_MAX = 256

export type UnaryMethod = (request: Buffer, metadata: IncomingHttpHeaders) => Promise<Uint8Array>
export type StreamMethod = (call: CallStream) => Promise<void>

export interface Methods {
  /** By path: `/etcdserverpb.KV/Range`. */
  readonly unary: ReadonlyMap<string, UnaryMethod>
  readonly streaming: ReadonlyMap<string, StreamMethod>
}

/** TLS to serve over, and whose certificates may call. */
export interface EtcdSecurity extends SecureListening {
  readonly mayCall: (certificate: PeerCertificate) => boolean
}

/** gRPC spoken over node:http2 directly: it serves more than twice as many calls as grpc-js does. */
export class RpcServer {
  readonly #methods: Methods
  readonly #onFault: (error: unknown, where: string) => void
  readonly #server: Http2Server | Http2SecureServer
  /** Ends what has no session yet. */
  readonly #cut: () => void
  readonly #mayCall: EtcdSecurity['mayCall'] | undefined
  /** Of callers whose certificate holds, and is of nobody who may call. */
  readonly #strangers = new WeakSet<object>()
  readonly #sessions = new Set<ServerHttp2Session>()
  readonly #calls = new Set<CallStream>()
  #closing = false

  /** Listens. Rejects when the address is taken. */
  static async start(
    methods: Methods,
    address: { readonly host: string; readonly port: number },
    secure: EtcdSecurity | undefined,
    onFault: (error: unknown, where: string) => void,
  ): Promise<RpcServer> {
    const server = new RpcServer(methods, secure, onFault)
    await new Promise<void>((resolve, reject) => {
      server.#server.once('error', reject)
      server.#server.listen(address.port, address.host, () => {
        server.#server.off('error', reject)
        server.#server.on('error', (error) => onFault(error, 'etcd'))
        resolve()
      })
    })
    return server
  }

  private constructor(
    methods: Methods,
    secure: EtcdSecurity | undefined,
    onFault: (error: unknown, where: string) => void,
  ) {
    this.#methods = methods
    this.#onFault = onFault
    this.#mayCall = secure?.mayCall
    const { server, cut } = listener(secure)
    this.#server = server
    this.#cut = cut
    this.#server.maxConnections = CONNECTIONS_MAX
    this.#server.on('session', (session: ServerHttp2Session) => {
      this.#sessions.add(session)
      if (this.#mayCall?.((session.socket as TLSSocket).getPeerCertificate()) === false)
        this.#strangers.add(session)
      session.setLocalWindowSize(16 * WINDOW_BYTES)
      session.on('error', () => session.destroy())
      session.on('close', () => this.#sessions.delete(session))
    })
    this.#server.on('stream', (stream: ServerHttp2Stream, headers: IncomingHttpHeaders) =>
      this.#onStream(stream, headers),
    )
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port
  }

  /** Takes no more calls, ends the streaming ones, and closes what is left open after so many milliseconds. */
  async close(graceMilliseconds: number): Promise<void> {
    this.#closing = true
    for (const call of this.#calls) call.finish(etcdError('stopped'))
    const closed = new Promise<void>((resolve) => this.#server.close(() => resolve()))
    for (const session of this.#sessions) session.close()
    const timer = setTimeout(() => {
      for (const session of this.#sessions) session.destroy()
      this.#cut()
    }, graceMilliseconds)
    await closed
    clearTimeout(timer)
  }

  #onStream(stream: ServerHttp2Stream, headers: IncomingHttpHeaders): void {
    stream.on('error', () => undefined)
    const path = headers[':path'] ?? ''
    const unary = this.#methods.unary.get(path)
    if (this.#closing) refuse(stream, etcdError('stopped'))
    else if (this.#mayCall !== undefined && this.#strangers.has(stream.session ?? stream))
      refuse(stream, etcdError('permissionDenied'))
    else if (headers['content-type']?.startsWith('application/grpc') !== true)
      stream.respond({ ':status': 415 }, { endStream: true })
    else if (unary !== undefined) this.#unary(stream, headers, unary)
    else {
      const streaming = this.#methods.streaming.get(path)
      if (streaming === undefined) refuse(stream, unknownMethod(path))
      else void this.#streaming(new CallStream(stream, headers), streaming, path)
    }
  }

  #unary(stream: ServerHttp2Stream, headers: IncomingHttpHeaders, method: UnaryMethod): void {
    const reader = new FrameReader(REQUEST_BYTES_MAX)
    let called = false
    stream.on('data', (chunk: Buffer) => {
      if (called) return
      try {
        const [request] = reader.take(chunk)
        if (request === undefined) return
        called = true
        method(request, headers).then(
          (response) => answer(stream, response),
          (error: unknown) => this.#refuse(stream, error, headers),
        )
      } catch (error) {
        called = true
        this.#refuse(stream, error, headers)
      }
    })
    stream.on('end', () => {
      if (!called) refuse(stream, new StatusError('INTERNAL', 'grpc: the request holds no message'))
    })
  }

  #refuse(stream: ServerHttp2Stream, error: unknown, headers: IncomingHttpHeaders): void {
    const status = statusOf(error)
    if (isFault(error)) this.#onFault(error, `etcd ${headers[':path']}`)
    refuse(stream, status)
  }

  async #streaming(call: CallStream, method: StreamMethod, path: string): Promise<void> {
    this.#calls.add(call)
    try {
      await method(call)
      call.finish(undefined)
    } catch (error) {
      const status = statusOf(error)
      if (isFault(error)) this.#onFault(error, `etcd ${path}`)
      call.finish(status)
    } finally {
      this.#calls.delete(call)
    }
  }
}

function listener(secure: EtcdSecurity | undefined): {
  readonly server: Http2Server | Http2SecureServer
  readonly cut: () => void
} {
  const http2 = {
    maxSessionMemory: SESSION_MEBIBYTES_MAX,
    settings: { maxConcurrentStreams: STREAMS_MAX, initialWindowSize: WINDOW_BYTES },
  }
  if (secure === undefined) return { server: createServer(http2), cut: () => undefined }
  const { tls, clients, warn } = secure
  const server = createSecureServer({ ...http2, ...secureServerOptions(tls, clients) })
  const guarded = guard(server, tls, clients, warn)
  return { server, cut: () => guarded.cut() }
}

/** Ours, not the client's: what was thrown says no status of itself. */
function isFault(error: unknown): boolean {
  return !(error instanceof StatusError) && statusOf(error).code === INTERNAL
}

const INTERNAL = new StatusError('INTERNAL', '').code

function unknownMethod(path: string): StatusError {
  const [, service = '', method = ''] = path.split('/')
  return new StatusError('UNIMPLEMENTED', `unknown method ${method} for service ${service}`)
}
