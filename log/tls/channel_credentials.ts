import type { Socket } from 'node:net'
import { checkServerIdentity, connect, type PeerCertificate } from 'node:tls'
import { CallCredentials, ChannelCredentials, type experimental } from '@grpc/grpc-js'
import { identitiesOf, isMember, memberIdentity } from './identity.ts'
import type { TlsMaterial } from './material.ts'

/** How long the other side may take for its part of a handshake. */
const handshakeMilliseconds = 10_000

/** Whom a certificate must be of; the error says why it is not. */
export type ServerCheck = (host: string, certificate: PeerCertificate) => Error | undefined

/** The host that was dialled (RFC 9525). */
export const checkHost: ServerCheck = checkServerIdentity

/** One member of a cluster, wherever it is. */
export function checkMember(clusterId: string, memberId: number): ServerCheck {
  const wanted = memberIdentity(clusterId, memberId)
  return (_, certificate) => {
    const found = identitiesOf(certificate)
    return found.includes(wanted)
      ? undefined
      : new Error(`the certificate is of ${named(found)}, not of ${wanted}`)
  }
}

/** Any member of a cluster. */
export function checkAnyMember(clusterId: string): ServerCheck {
  return (_, certificate) =>
    isMember(certificate, clusterId)
      ? undefined
      : new Error(
          `the certificate is of ${named(identitiesOf(certificate))}, not of a member of ${clusterId}`,
        )
}

function named(identities: readonly string[]): string {
  return identities.length === 0 ? 'no member' : identities.join(' and ')
}

type Target = Parameters<ChannelCredentials['_createSecureConnector']>[0]

/**
 * Credentials of a channel that take what the files hold at the moment of each connection. Those of @grpc/grpc-js name an address
 * as the server name, which Node refuses (RFC 6066, section 3: a server name is no address).
 */
export class TlsChannelCredentials extends ChannelCredentials {
  readonly #source: { readonly current: TlsMaterial }
  readonly #check: ServerCheck

  constructor(source: { readonly current: TlsMaterial }, check: ServerCheck) {
    super()
    this.#source = source
    this.#check = check
  }

  _isSecure(): boolean {
    return true
  }

  _equals(other: ChannelCredentials): boolean {
    return this === other
  }

  _createSecureConnector(
    target: Target,
    _options: unknown,
    callCredentials: CallCredentials = CallCredentials.createEmpty(),
  ): experimental.SecureConnector {
    return {
      connect: async (socket) => ({ socket: await this.#secure(socket, target), secure: true }),
      waitForReady: () => Promise.resolve(),
      getCallCredentials: () => callCredentials,
      destroy: () => undefined,
    }
  }

  #secure(socket: Socket, target: Target): Promise<Socket> {
    const { promise, resolve, reject } = Promise.withResolvers<Socket>()
    const secured = connect({
      socket,
      host: hostOf(target, socket),
      secureContext: this.#source.current.context,
      ALPNProtocols: ['h2'],
      checkServerIdentity: (host, certificate) => this.#check(host, certificate),
    })
    const timer = setTimeout(
      () => secured.destroy(new Error('the TLS handshake took too long')),
      handshakeMilliseconds,
    )
    secured.once('secureConnect', () => {
      if (secured.alpnProtocol === 'h2') resolve(secured)
      else secured.destroy(new Error('the server does not speak HTTP/2 there'))
    })
    secured.on('error', (error: Error) => reject(explained(error)))
    secured.once('close', () => {
      clearTimeout(timer)
      reject(new Error('the connection was closed during the TLS handshake'))
    })
    return promise.finally(() => clearTimeout(timer))
  }
}

/** `ipv4:` and `ipv6:` name several addresses: the one that was dialled is meant. */
function hostOf({ scheme, path }: Target, socket: Socket): string {
  if (scheme === 'ipv4' || scheme === 'ipv6') return socket.remoteAddress ?? ''
  return path.replace(/:\d+$/, '').replace(/^\[(.*)\]$/, '$1')
}

/** What OpenSSL and Node say, for who knows neither. */
export function explained(error: NodeJS.ErrnoException): Error {
  switch (error.code) {
    case 'ERR_SSL_WRONG_VERSION_NUMBER':
    case 'ERR_SSL_PACKET_LENGTH_TOO_LONG':
      return new Error('it does not speak TLS there', { cause: error })
    case 'CERT_HAS_EXPIRED':
      return new Error('its certificate has expired', { cause: error })
    case 'CERT_NOT_YET_VALID':
      return new Error('its certificate is not valid yet', { cause: error })
    case 'SELF_SIGNED_CERT_IN_CHAIN':
    case 'DEPTH_ZERO_SELF_SIGNED_CERT':
    case 'UNABLE_TO_GET_ISSUER_CERT':
    case 'UNABLE_TO_GET_ISSUER_CERT_LOCALLY':
    case 'UNABLE_TO_VERIFY_LEAF_SIGNATURE':
    case 'CERT_SIGNATURE_FAILURE':
      return new Error(`its certificate was issued by no authority that is trusted here (${error.code})`, {
        cause: error,
      })
    case 'ERR_TLS_CERT_ALTNAME_INVALID':
      return new Error(`its certificate is of another host: ${error.message}`, { cause: error })
    default:
      return error
  }
}
