import {
  type ClientHttp2Session,
  type ClientHttp2Stream,
  connect,
  constants,
  type IncomingHttpHeaders,
} from 'node:http2'
import { connect as connectTls, type TLSSocket } from 'node:tls'
import { checkAnyMember } from '../../log/tls/channel_credentials.ts'
import type { TlsMaterial } from '../../log/tls/material.ts'
import { FrameReader, frame } from './frames.ts'
import { etcdError, StatusError } from './status.ts'

/** Marks a call that a member has passed on: it is not passed on again. */
export const FORWARDED = 'ultracloud-forwarded'

const RESPONSE_BYTES_MAX = 512 * 1024 * 1024
const IN_FLIGHT_MAX = 4096
/** How long another member may take for its part of a handshake. */
const HANDSHAKE_MS = 5_000

/** What this member shows to another, and whose certificate that one must have. */
export interface PeerSecurity {
  readonly current: () => TlsMaterial
  readonly clusterId: string
}

/** The member never took the call: it is certain that nothing was done. */
export class NotSentError extends Error {
  constructor() {
    super('the member did not take the call')
    this.name = 'NotSentError'
  }
}

/** Calls another member, one message each way. */
export class PeerClient {
  #session: { readonly address: string; readonly session: ClientHttp2Session } | undefined
  #inFlight = 0
  readonly #security: PeerSecurity | undefined

  constructor(security: PeerSecurity | undefined) {
    this.#security = security
  }

  /**
   * Throws StatusError: what the member answered, or `timeoutConnectionLost` when it did not, and whether the call was carried out is
   * not known. Throws NotSentError when it certainly was not.
   */
  async call(
    address: string,
    path: string,
    request: Uint8Array,
    timeoutMilliseconds: number,
  ): Promise<Buffer> {
    if (this.#inFlight >= IN_FLIGHT_MAX) throw etcdError('tooManyRequests')
    this.#inFlight += 1
    try {
      return await exchange(this.#to(address), path, request, timeoutMilliseconds)
    } finally {
      this.#inFlight -= 1
    }
  }

  close(): void {
    this.#session?.session.close()
    this.#session = undefined
  }

  #to(address: string): ClientHttp2Session {
    const known = this.#session
    if (known?.address === address && !known.session.closed && !known.session.destroyed) return known.session
    this.close()
    const security = this.#security
    const session =
      security === undefined
        ? connect(`http://${address}`)
        : connect(`https://${address}`, { createConnection: (url) => secured(url, security) })
    session.on('error', () => session.destroy())
    session.unref()
    this.#session = { address, session }
    return session
  }
}

function secured({ hostname, port }: URL, { current, clusterId }: PeerSecurity): TLSSocket {
  const socket = connectTls({
    host: hostname.replace(/^\[(.*)\]$/, '$1'),
    port: Number(port),
    secureContext: current().context,
    ALPNProtocols: ['h2'],
    minVersion: 'TLSv1.3',
    checkServerIdentity: checkAnyMember(clusterId),
  })
  const timer = setTimeout(() => socket.destroy(), HANDSHAKE_MS)
  socket.once('secureConnect', () => clearTimeout(timer))
  socket.once('close', () => clearTimeout(timer))
  return socket
}

function exchange(
  session: ClientHttp2Session,
  path: string,
  request: Uint8Array,
  timeoutMilliseconds: number,
): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const stream: ClientHttp2Stream = session.request({
      ':method': 'POST',
      ':path': path,
      'content-type': 'application/grpc',
      te: 'trailers',
      [FORWARDED]: '1',
    })
    const reader = new FrameReader(RESPONSE_BYTES_MAX)
    let message: Buffer | undefined
    let status: StatusError | undefined
    const lost = () =>
      stream.id === undefined || stream.rstCode === constants.NGHTTP2_REFUSED_STREAM
        ? new NotSentError()
        : etcdError('timeoutConnectionLost')
    const timer = setTimeout(() => stream.destroy(), timeoutMilliseconds)
    const noteStatus = (headers: IncomingHttpHeaders): void => {
      const code = headers['grpc-status']
      if (code === undefined) return
      status = new StatusError(Number(code), decodeURIComponent(String(headers['grpc-message'] ?? '')))
    }
    stream.on('response', noteStatus)
    stream.on('trailers', noteStatus)
    stream.on('data', (chunk: Buffer) => {
      message ??= reader.take(chunk)[0]
    })
    stream.on('error', () => undefined)
    stream.on('close', () => {
      clearTimeout(timer)
      if (status === undefined) reject(lost())
      else if (status.code !== 0) reject(status)
      else if (message === undefined) reject(lost())
      else resolve(message)
    })
    stream.end(frame(request))
  })
}
