import type { X509Certificate } from 'node:crypto'
import type { Server as PlainServer, Socket } from 'node:net'
import type { SecureContextOptions, Server, TLSSocket, TlsOptions } from 'node:tls'
import { leadsTo, type TlsMaterial } from './material.ts'
import type { WatchedTls } from './watched.ts'

/** `required`: a caller without a certificate is refused. `optional`: one that is shown must hold. */
export type ClientCertificates = 'required' | 'optional'

const handshakeMilliseconds = 10_000
const warnAgainMilliseconds = 60_000
const reasonsMax = 64
const chainMax = 8

/** What a TLS server is made with. Between members TLS is 1.3 at least, for everyone else 1.2. */
export function secureServerOptions(tls: WatchedTls, clients: ClientCertificates): TlsOptions {
  return {
    ...contextOptions(tls.current, clients),
    handshakeTimeout: handshakeMilliseconds,
    requestCert: true,
    rejectUnauthorized: clients === 'required',
  }
}

function contextOptions(
  { ca, certificate, key }: TlsMaterial,
  clients: ClientCertificates,
): SecureContextOptions {
  return { ca, cert: certificate, key, minVersion: clients === 'required' ? 'TLSv1.3' : 'TLSv1.2' }
}

/**
 * Watches over a TLS server made with `secureServerOptions`, until it closes: new files are taken up for new connections; who shows a
 * certificate that does not hold is refused, and so is, from then on, who showed one of an authority that is no longer trusted. Says
 * why somebody was refused, each reason once a minute.
 */
export function guard(
  server: Server,
  tls: WatchedTls,
  clients: ClientCertificates,
  warn: (message: string) => void,
): void {
  const say = throttled(warn)
  const shown = new Map<TLSSocket, X509Certificate>()
  server.prependListener('secureConnection', (socket: TLSSocket) => {
    socket.on('error', () => undefined)
    const certificate = socket.getPeerX509Certificate()
    if (certificate === undefined) return
    if (!socket.authorized) {
      say(
        `${socket.remoteAddress}: refused: its certificate does not hold: ${String(socket.authorizationError)}`,
      )
      socket.destroy()
      return
    }
    shown.set(socket, certificate)
    socket.once('close', () => shown.delete(socket))
  })
  server.on('tlsClientError', (error: SslError, socket: TLSSocket) => {
    const reason = refusal(error, socket)
    if (reason !== undefined) say(`${socket.remoteAddress ?? 'a caller'}: refused: ${reason}`)
  })
  const forget = tls.onChange(() => {
    server.setSecureContext(contextOptions(tls.current, clients))
    for (const [socket, certificate] of shown) {
      if (leadsTo(tls.current.authorities, certificate, issuersOf(certificate))) continue
      say(`${socket.remoteAddress}: closed: the authority that issued its certificate is no longer trusted`)
      socket.destroy()
    }
  })
  server.once('close', forget)
}

/** Ends, when it is called, every connection of a server at once, also those that have not finished, or begun, their handshake. */
export function cutting(server: PlainServer): () => void {
  const open = new Set<Socket>()
  server.on('connection', (socket: Socket) => {
    open.add(socket)
    socket.once('close', () => open.delete(socket))
  })
  return () => {
    for (const socket of open) socket.destroy()
  }
}

/** What OpenSSL says of itself, besides a message for programmers. */
interface SslError extends NodeJS.ErrnoException {
  readonly reason?: string
}

/** Undefined for who just went away, as those do who try whether anybody listens. */
function refusal({ code, message, reason }: SslError, { authorizationError }: TLSSocket): string | undefined {
  const unverified = authorizationError as unknown
  if (typeof unverified === 'string')
    return `it shows no certificate that holds: ${unverified === 'UNABLE_TO_GET_ISSUER_CERT' ? 'none, or one of an unknown authority' : unverified}`
  switch (code) {
    case 'ECONNRESET':
    case 'EPIPE':
      return undefined
    case 'ERR_SSL_HTTP_REQUEST':
    case 'ERR_SSL_WRONG_VERSION_NUMBER':
    case 'ERR_SSL_PACKET_LENGTH_TOO_LONG':
      return 'it does not speak TLS'
    case 'ERR_SSL_PEER_DID_NOT_RETURN_A_CERTIFICATE':
      return 'it shows no certificate'
    case 'ERR_SSL_TLSV1_ALERT_UNKNOWN_CA':
      return 'it does not trust the authority of this node’s certificate'
    default:
      return reason ?? message
  }
}

function issuersOf(certificate: X509Certificate): readonly X509Certificate[] {
  const issuers: X509Certificate[] = []
  let at = certificate.issuerCertificate
  while (at !== undefined && issuers.length < chainMax) {
    issuers.push(at)
    at = at.issuerCertificate
  }
  return issuers
}

function throttled(warn: (message: string) => void): (message: string) => void {
  const saidAt = new Map<string, number>()
  return (message) => {
    const now = performance.now()
    if (now - (saidAt.get(message) ?? Number.NEGATIVE_INFINITY) < warnAgainMilliseconds) return
    if (saidAt.size >= reasonsMax) saidAt.clear()
    saidAt.set(message, now)
    warn(message)
  }
}
