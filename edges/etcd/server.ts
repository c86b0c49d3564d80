import { type AddressInfo, createServer, type Server, type Socket } from 'node:net'
import { createServer as createSecureServer, type PeerCertificate, TLSSocket } from 'node:tls'
import type { SecureListening } from '../../log/tls/grpc_listener.ts'
import { cutting, guard, secureServerOptions } from '../../log/tls/guard.ts'
import { CallStream, refuse } from './call_stream.ts'
import { Budget } from './http2/budget.ts'
import { Connection } from './http2/connection.ts'
import { headerBlock } from './http2/hpack.ts'
import type { ServerStream } from './http2/stream.ts'
import { etcdError, StatusError, statusOf } from './status.ts'
import { type DirectMethod, UnaryBounds, UnaryCall, type UnaryParts } from './unary_call.ts'

const WINDOW_BYTES = 1 << 20
const CONNECTIONS_MAX = 4096
const limits = {
  streamsMax: 4096,
  windowBytes: WINDOW_BYTES,
  connectionWindowBytes: 16 * WINDOW_BYTES,
  waitingBytesMax: 256 * WINDOW_BYTES,
}
/** Over all connections: calls that are being answered, and what calls hold in memory. */
const CALLS_MAX = 16_384
const HELD_BYTES_MAX = 512 * WINDOW_BYTES
const NOT_GRPC = headerBlock({ ':status': '415' })
const NOT_POST = headerBlock({ ':status': '405' })
/** grpc/doc/PROTOCOL-HTTP2.md, Content-Type. */
const GRPC = /^application\/grpc(?:[+;]|$)/

export type StreamMethod = (call: CallStream) => Promise<void>

export interface Methods {
  /** By path: `/etcdserverpb.KV/Range`. */
  readonly unary: ReadonlyMap<string, DirectMethod>
  readonly streaming: ReadonlyMap<string, StreamMethod>
}

/** TLS to serve over, and whose certificates may call. */
export interface EtcdSecurity extends SecureListening {
  readonly mayCall: (certificate: PeerCertificate) => boolean
}

/** gRPC over an HTTP/2 of its own: node:http2 takes 18 µs of CPU for a call, this 3. */
export class RpcServer {
  readonly #unary: ReadonlyMap<string, UnaryParts>
  readonly #streamingMethods: Methods['streaming']
  readonly #onFault: (error: unknown, where: string) => void
  readonly #server: Server
  /** Ends what has no connection to answer yet. */
  readonly #cut: () => void
  readonly #connections = new Set<Connection>()
  readonly #calls = new Set<CallStream>()
  readonly #budget = new Budget(HELD_BYTES_MAX)
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
    const bounds = new UnaryBounds(CALLS_MAX)
    const parts = ([path, method]: [string, DirectMethod]): [string, UnaryParts] => {
      const failed = (error: unknown): void => this.#note(error, path)
      return [path, { method, bounds, failed }]
    }
    this.#unary = new Map([...methods.unary].map(parts))
    this.#streamingMethods = methods.streaming
    this.#onFault = onFault
    const { server, cut } = listener(secure, (socket) => this.#accept(socket, secure?.mayCall))
    this.#server = server
    this.#cut = cut
    this.#server.maxConnections = CONNECTIONS_MAX
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port
  }

  /** Takes no more calls, ends the streaming ones, and closes what is left open after so many milliseconds. */
  async close(graceMilliseconds: number): Promise<void> {
    this.#closing = true
    for (const call of this.#calls) call.finish(etcdError('stopped'))
    const closed = new Promise<void>((resolve) => this.#server.close(() => resolve()))
    for (const connection of this.#connections) connection.close()
    const timer = setTimeout(() => {
      for (const connection of this.#connections) connection.destroy()
      this.#cut()
    }, graceMilliseconds)
    await closed
    clearTimeout(timer)
  }

  #accept(socket: Socket, mayCall: EtcdSecurity['mayCall'] | undefined): void {
    if (socket.destroyed) return
    const isStranger =
      mayCall !== undefined && !(socket instanceof TLSSocket && mayCall(socket.getPeerCertificate()))
    const connection = new Connection(socket, limits, {
      opened: (stream) =>
        isStranger ? refuse(stream, etcdError('permissionDenied')) : this.#onStream(stream),
      closed: () => this.#connections.delete(connection),
      budget: this.#budget,
    })
    this.#connections.add(connection)
  }

  #onStream(stream: ServerStream): void {
    const { headers } = stream
    const path = headers[':path'] ?? ''
    const unary = this.#unary.get(path)
    if (this.#closing) refuse(stream, etcdError('stopped'))
    else if (!GRPC.test(headers['content-type'] ?? '')) stream.respond(NOT_GRPC, true)
    else if (headers[':method'] !== 'POST') stream.respond(NOT_POST, true)
    else if (unary !== undefined) stream.listener = new UnaryCall(stream, unary)
    else {
      const streaming = this.#streamingMethods.get(path)
      if (streaming === undefined) refuse(stream, unknownMethod(path))
      else void this.#streaming(new CallStream(stream), streaming, path)
    }
  }

  async #streaming(call: CallStream, method: StreamMethod, path: string): Promise<void> {
    this.#calls.add(call)
    try {
      await method(call)
      call.finish(undefined)
    } catch (error) {
      this.#note(error, path)
      call.finish(error)
    } finally {
      this.#calls.delete(call)
    }
  }

  #note(error: unknown, path: string): void {
    if (isFault(error)) this.#onFault(error, `etcd ${path}`)
  }
}

function listener(
  secure: EtcdSecurity | undefined,
  accept: (socket: Socket) => void,
): { readonly server: Server; readonly cut: () => void } {
  if (secure === undefined) return { server: createServer(accept), cut: () => undefined }
  const { tls, clients, warn } = secure
  const server = createSecureServer({ ...secureServerOptions(tls, clients), ALPNProtocols: ['h2'] }, accept)
  guard(server, tls, clients, warn)
  return { server, cut: cutting(server) }
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
