import { type AddressInfo, createServer as createPlainServer, type Socket } from 'node:net'
import { createServer, type Server as TlsServer } from 'node:tls'
import { type Server, ServerCredentials } from '@grpc/grpc-js'
import { type ClientCertificates, cutting, guard, secureServerOptions } from './guard.ts'
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
 * Makes a gRPC server listen, over TLS when told so; port 0 takes a free one. The server of connections is one of its own before that of
 * @grpc/grpc-js: that one tells neither why it refused a caller nor who showed which certificate, and waits for ever for the end of a
 * connection to who stands still. Rejects when the address cannot be taken.
 */
export function listenGrpc(
  server: Server,
  host: string,
  port: number,
  secure: SecureListening | undefined,
): Promise<GrpcListener> {
  const injector = server.createConnectionInjector(ServerCredentials.createInsecure())
  const inject = (socket: Socket): void => {
    if (!socket.destroyed) injector.injectConnection(socket)
  }
  const listener =
    secure === undefined ? createPlainServer({ noDelay: true }, inject) : secureServer(secure, inject)
  listener.maxConnections = connectionsMax
  const cut = cutting(listener)
  const { promise, resolve, reject } = Promise.withResolvers<GrpcListener>()
  listener.once('error', reject)
  listener.listen(port, host, () => {
    listener.on('error', (error) => secure?.warn(`connections can not be taken: ${error.message}`))
    resolve({
      port: (listener.address() as AddressInfo).port,
      drain: (grace) => {
        listener.close()
        injector.drain(grace)
        setTimeout(cut, 2 * grace).unref()
      },
    })
  })
  return promise
}

function secureServer({ tls, clients, warn }: SecureListening, take: (socket: Socket) => void): TlsServer {
  const listener = createServer({ ...secureServerOptions(tls, clients), ALPNProtocols: ['h2'] }, take)
  guard(listener, tls, clients, warn)
  return listener
}
