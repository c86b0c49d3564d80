import type { AddressInfo } from 'node:net'
import { createServer } from 'node:tls'
import { type Server, ServerCredentials } from '@grpc/grpc-js'
import { type ClientCertificates, guard, secureServerOptions } from './guard.ts'
import type { WatchedTls } from './watched.ts'

const connectionsMax = 4096

export interface SecureListening {
  readonly tls: WatchedTls
  readonly clients: ClientCertificates
  readonly warn: (message: string) => void
}

export interface GrpcListener {
  readonly port: number
  /** Takes no more connections, and cuts after the grace those that are left. */
  drain(graceMilliseconds: number): void
}

/**
 * Makes a gRPC server listen, over TLS when told so; port 0 takes a free one. The TLS server is one of its own before that of
 * @grpc/grpc-js, which tells neither why it refused a caller nor who showed which certificate. Rejects when the address cannot be taken.
 */
export function listenGrpc(
  server: Server,
  host: string,
  port: number,
  secure: SecureListening | undefined,
): Promise<GrpcListener> {
  return secure === undefined ? listenPlain(server, host, port) : listenSecure(server, host, port, secure)
}

/** `drain` cuts what is open after the grace; `forceShutdown` would, but knows no sessions while channelz is off. */
function listenPlain(server: Server, host: string, port: number): Promise<GrpcListener> {
  const bracketed = host.includes(':') ? `[${host}]` : host
  return new Promise((resolve, reject) => {
    server.bindAsync(`${bracketed}:${port}`, ServerCredentials.createInsecure(), (error, bound) => {
      if (error !== null) reject(error)
      else resolve({ port: bound, drain: (grace) => server.drain(`${bracketed}:${bound}`, grace) })
    })
  })
}

function listenSecure(
  server: Server,
  host: string,
  port: number,
  { tls, clients, warn }: SecureListening,
): Promise<GrpcListener> {
  const injector = server.createConnectionInjector(ServerCredentials.createInsecure())
  const listener = createServer({ ...secureServerOptions(tls, clients), ALPNProtocols: ['h2'] }, (socket) => {
    if (!socket.destroyed) injector.injectConnection(socket)
  })
  listener.maxConnections = connectionsMax
  const guarded = guard(listener, tls, clients, warn)
  const { promise, resolve, reject } = Promise.withResolvers<GrpcListener>()
  listener.once('error', reject)
  listener.listen(port, host, () => {
    listener.on('error', (error) => warn(`connections can not be taken: ${error.message}`))
    resolve({
      port: (listener.address() as AddressInfo).port,
      drain: (grace) => {
        listener.close()
        injector.drain(grace)
        setTimeout(() => guarded.cut(), 2 * grace).unref()
      },
    })
  })
  return promise
}
