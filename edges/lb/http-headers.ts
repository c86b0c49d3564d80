import type { IncomingMessage } from 'node:http'

const pseudonym = 'ultracloud'

/** Balancers of this kind one request may pass; more is a loop of listeners that are each other's members. */
export const hopsMax = 8

/**
 * Fields of one connection only (RFC 9110 §7.6.1), besides those that Connection names. `Trailer` goes too, since
 * trailers are not passed on. Content-Length is set anew from the framing that was parsed.
 */
const connectionFields: ReadonlySet<string> = new Set([
  'connection',
  'keep-alive',
  'proxy-connection',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
])

/** Fields the balancer sets itself; a Connection field that names them takes nothing away. */
const ownRequestFields: ReadonlySet<string> = new Set([
  'content-length',
  'forwarded',
  'host',
  'via',
  'x-forwarded-for',
  'x-forwarded-host',
  'x-forwarded-proto',
])

export interface RequestHead {
  /** Flat name, value, name, value list as node:http takes it. */
  readonly fields: string[]
  readonly target: string
}

/** How many balancers of this kind the request has passed (RFC 9110 §7.6.3). */
export function hops(request: IncomingMessage): number {
  return (request.headers.via?.split(pseudonym).length ?? 1) - 1
}

/**
 * The head to send to a member. Null when the request is one that a careful peer and a careless one would read
 * differently: several Host fields, a target whose authority is another host's, a transfer coding from HTTP/1.0.
 */
export function requestHead(request: IncomingMessage, clientAddress: string): RequestHead | null {
  const { headers } = request
  const target = originTarget(request)
  if (target === null) return null
  const host = target.authority ?? headers.host ?? ''
  const named = namedByConnection(request)
  const fields: string[] = ['Host', host]
  const via: string[] = []
  const forwarded: string[] = []
  const raw = request.rawHeaders
  let hosts = 0
  for (let index = 0; index + 1 < raw.length; index += 2) {
    const name = raw[index] ?? ''
    const value = raw[index + 1] ?? ''
    const lower = name.toLowerCase()
    if (ownRequestFields.has(lower)) {
      if (lower === 'host') hosts += 1
      else if (lower === 'via') via.push(value)
      else if (lower === 'forwarded') forwarded.push(value)
      continue
    }
    if (connectionFields.has(lower) || named?.has(lower) === true) continue
    fields.push(name, value)
  }
  if (hosts > 1) return null
  const framing = framingFields(request)
  if (framing === null) return null
  fields.push(...framing)
  const before = headers['x-forwarded-for']
  const quoted = clientAddress.includes(':') ? `"[${clientAddress}]"` : clientAddress
  forwarded.push(`for=${quoted};host="${host.replace(/[\\"]/g, '\\$&')}";proto=http`)
  via.push(`${request.httpVersion} ${pseudonym}`)
  fields.push(
    'X-Forwarded-For',
    before === undefined ? clientAddress : `${String(before)}, ${clientAddress}`,
    'X-Forwarded-Proto',
    'http',
    'X-Forwarded-Host',
    host,
    'Forwarded',
    forwarded.join(', '),
    'Via',
    via.join(', '),
  )
  return { fields, target: target.path }
}

/** The fields of a member's response that go to the client. */
export function responseFields(response: IncomingMessage): string[] {
  const named = namedByConnection(response)
  const fields: string[] = []
  const raw = response.rawHeaders
  for (let index = 0; index + 1 < raw.length; index += 2) {
    const name = raw[index] ?? ''
    const lower = name.toLowerCase()
    if (connectionFields.has(lower)) continue
    if (named?.has(lower) === true && lower !== 'content-length') continue
    fields.push(name, raw[index + 1] ?? '')
  }
  fields.push('Via', `${response.httpVersion} ${pseudonym}`)
  return fields
}

/** True when bytes of a body follow the header section (RFC 9112 §6). */
export function hasBody(request: IncomingMessage): boolean {
  if (request.headers['transfer-encoding'] !== undefined) return true
  const length = request.headers['content-length']
  return length !== undefined && length !== '0'
}

function framingFields(request: IncomingMessage): readonly string[] | null {
  if (request.headers['transfer-encoding'] !== undefined) {
    return request.httpVersion === '1.0' ? null : ['Transfer-Encoding', 'chunked']
  }
  const length = request.headers['content-length']
  if (length !== undefined) return ['Content-Length', length]
  const bodiless = request.method === 'GET' || request.method === 'HEAD'
  return bodiless ? [] : ['Content-Length', '0']
}

function namedByConnection(message: IncomingMessage): ReadonlySet<string> | null {
  const value = message.headers.connection
  if (value === undefined || /^(?:keep-alive|close)$/i.test(value)) return null
  return new Set(value.split(',').map((token) => token.trim().toLowerCase()))
}

/** Absolute-form becomes origin-form, its authority the Host (RFC 9112 §3.2.2); both must agree where both are given. */
function originTarget(request: IncomingMessage): { path: string; authority: string | null } | null {
  const target = request.url ?? ''
  if (target.startsWith('/')) return { path: target, authority: null }
  if (target === '*') return request.method === 'OPTIONS' ? { path: '*', authority: null } : null
  const match = /^https?:\/\/([^/?#@]+)(.*)$/i.exec(target)
  if (match === null) return null
  const authority = match[1] ?? ''
  const rest = match[2] ?? ''
  const host = request.headers.host
  if (host !== undefined && host.toLowerCase() !== authority.toLowerCase()) return null
  return { path: rest.startsWith('/') ? rest : `/${rest}`, authority }
}
