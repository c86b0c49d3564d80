import { randomBytes } from 'node:crypto'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { GROWTH_BYTES_MAX, NodeProcess } from './node.ts'
import { exchange, frame, grpcCall } from './raw.ts'

/** Input that fits no contract gets an error with a stable code, over both edges, and costs nothing that stays. */
let node: NodeProcess

beforeAll(async () => {
  node = await NodeProcess.start(['member'])
})

afterAll(async () => {
  await node?.close()
})

const TIMELY_MS = 2000
const command = '/api/v1/commands/iam.CreateUser'

interface Sent {
  readonly method?: string
  readonly body?: string
  readonly token?: string
  readonly headers?: Readonly<Record<string, string>>
}

async function rest(path: string, { method, body, token = node.token, headers = {} }: Sent = {}) {
  const response = await fetch(`http://${node.facts.rest}${path}`, {
    method: method ?? (body === undefined ? 'GET' : 'POST'),
    headers: {
      authorization: `Bearer ${token}`,
      ...(body === undefined ? {} : { 'content-type': 'application/json' }),
      ...headers,
    },
    ...(body === undefined ? {} : { body }),
  })
  const problem = (await response.json()) as { readonly code?: string; readonly detail?: string }
  return { status: response.status, contentType: response.headers.get('content-type'), ...problem }
}

function grpc(method: string, message: Buffer, headers: Readonly<Record<string, string>> = {}) {
  const { path } = node.api.method(method)
  return grpcCall(node.facts.grpc, path, message, { authorization: `Bearer ${node.token}`, ...headers })
}

function encoded(method: string, fields: Record<string, unknown>): Buffer {
  const { types } = node.api.method(method)
  return frame(node.api.codec.encode(types.request, fields))
}

async function expectWell(): Promise<void> {
  const started = performance.now()
  await node.admin.read({ kind: 'iam.user', name: 'admin' })
  expect((await rest('/api/v1/iam/users/admin')).status).toBe(200)
  expect(performance.now() - started).toBeLessThan(TIMELY_MS)
  for (const growth of await node.growth()) expect(growth).toBeLessThan(GROWTH_BYTES_MAX)
}

const deep = `${'['.repeat(100_000)}${']'.repeat(100_000)}`
const restCases: readonly (readonly [
  what: string,
  path: string,
  sent: Sent,
  status: number,
  code: string,
])[] = [
  ['an unknown field', command, { body: '{"name":"ann","shoe":44}' }, 400, 'INVALID_ARGUMENT'],
  ['a wrong type', command, { body: '{"name":7}' }, 400, 'INVALID_ARGUMENT'],
  ['a field too many levels deep', command, { body: `{"name":${deep}}` }, 400, 'INVALID_ARGUMENT'],
  ['a body of nothing but brackets', command, { body: deep }, 400, 'INVALID_ARGUMENT'],
  ['malformed JSON', command, { body: '{"name":' }, 400, 'INVALID_ARGUMENT'],
  ['a prototype in disguise', command, { body: '{"__proto__":{"name":"ann"}}' }, 400, 'INVALID_ARGUMENT'],
  ['an empty body', command, { body: '' }, 400, 'INVALID_ARGUMENT'],
  ['a body beyond the bound', command, { body: `{"name":"${'a'.repeat(1 << 20)}"}` }, 413, 'TOO_LARGE'],
  [
    'another content type',
    command,
    { body: 'name=ann', headers: { 'content-type': 'text/plain' } },
    415,
    'INVALID_ARGUMENT',
  ],
  ['a bad token', '/api/v1/status', { token: 'uct_nonsense' }, 401, 'UNAUTHENTICATED'],
  ['a token that is huge', '/api/v1/status', { token: 'x'.repeat(8000) }, 401, 'UNAUTHENTICATED'],
  ['an unknown resource', '/api/v1/iam/users/nobody', {}, 404, 'NOT_FOUND'],
  ['an unknown kind', '/api/v1/iam/unicorns', {}, 404, 'NOT_FOUND'],
  ['an unknown command', '/api/v1/commands/iam.Conjure', { body: '{}' }, 404, 'UNKNOWN_COMMAND'],
  [
    'a command named like what every object has',
    '/api/v1/commands/iam.constructor',
    { body: '{}' },
    404,
    'UNKNOWN_COMMAND',
  ],
  [
    'a domain named like what every object has',
    '/api/v1/commands/__proto__.toString',
    { body: '{}' },
    404,
    'UNKNOWN_COMMAND',
  ],
  ['an unknown method', '/api/v1/iam/users', { method: 'DELETE' }, 404, 'NOT_FOUND'],
  ['an unknown parameter', '/api/v1/iam/users?colour=red', {}, 400, 'INVALID_ARGUMENT'],
  ['a parameter given twice', '/api/v1/iam/users?page_size=1&page_size=2', {}, 400, 'INVALID_ARGUMENT'],
  ['a page of the wrong size', '/api/v1/iam/users?page_size=1000000', {}, 400, 'INVALID_ARGUMENT'],
  ['a page token that is none', '/api/v1/iam/users?page_token=bm9uc2Vuc2U', {}, 400, 'INVALID_ARGUMENT'],
  ['a moment that is none', '/api/v1/iam/users?at=yesterday', {}, 400, 'INVALID_ARGUMENT'],
  ['a moment yet to come', '/api/v1/iam/users?at=999999999', {}, 400, 'REVISION_UNKNOWN'],
  ['a name with a quote', "/api/v1/iam/users/'%20OR%201=1", {}, 404, 'NOT_FOUND'],
  ['a filter with a quote', "/api/v1/iam/users?label.'%3B--=1&name='", {}, 200, ''],
  ['a path that is not encoded right', '/api/v1/iam/users/%E0%A4%A', {}, 400, 'INVALID_ARGUMENT'],
  ['a path segment beyond the bound', `/api/v1/iam/users/${'a'.repeat(300)}`, {}, 414, 'INVALID_ARGUMENT'],
]

describe('REST refuses', () => {
  test.each(restCases)('%s', async (_, path, sent, status, code) => {
    const answer = await rest(path, sent)
    expect(answer).toMatchObject(code === '' ? { status } : { status, code })
    if (code !== '') expect(answer.contentType).toMatch(/^application\/problem\+json/)
    if (code !== '') expect(answer.detail).not.toBe('')
    expect(answer.detail?.length ?? 0).toBeLessThan(4096)
  })

  test.each([
    ['no HTTP at all', 'hello there\r\n\r\n', 400],
    ['random bytes', randomBytes(4096), 400],
    [
      'a header beyond the bound',
      `GET /healthz HTTP/1.1\r\nhost: x\r\nx: ${'a'.repeat(64_000)}\r\n\r\n`,
      431,
    ],
    [
      'a length and chunks at once',
      'POST /healthz HTTP/1.1\r\nhost: x\r\ncontent-length: 4\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n',
      400,
    ],
  ])('%s, with a problem', async (_, bytes, status) => {
    const answer = await exchange(node.facts.rest, bytes)
    expect(answer).toMatch(new RegExp(`^HTTP/1\\.1 ${status} `))
    expect(answer).toContain('application/problem+json')
    expect(answer).toContain('"code":"')
  })

  test('and goes on', expectWell)
})

const INVALID_ARGUMENT = 3
const RESOURCE_EXHAUSTED = 8
const UNAUTHENTICATED = 16

describe('gRPC refuses', () => {
  const refused: readonly (readonly [
    what: string,
    method: string,
    bytes: () => Buffer,
    status: number,
    code: string,
  ])[] = [
    [
      'an unknown field',
      'IamService/CreateUser',
      () => frame(Buffer.from([0xfa, 0x3e, 1, 0x61])),
      INVALID_ARGUMENT,
      'INVALID_ARGUMENT',
    ],
    [
      'a wrong wire type',
      'IamService/CreateUser',
      () => frame(Buffer.from([0x10, 7])),
      INVALID_ARGUMENT,
      'INVALID_ARGUMENT',
    ],
    [
      'text that is no UTF-8',
      'IamService/CreateUser',
      () => frame(Buffer.from([0x12, 2, 0xff, 0xfe])),
      INVALID_ARGUMENT,
      'INVALID_ARGUMENT',
    ],
    [
      'a field that ends too early',
      'IamService/CreateUser',
      () => frame(Buffer.from([0x12, 0x7f, 0x61])),
      INVALID_ARGUMENT,
      'INVALID_ARGUMENT',
    ],
    [
      'a number that never ends',
      'ClusterService/Log',
      () => frame(Buffer.alloc(64, 0xff)),
      INVALID_ARGUMENT,
      'INVALID_ARGUMENT',
    ],
    [
      'groups in groups',
      'IamService/CreateUser',
      () => frame(Buffer.alloc(500_000, 0x0b)),
      INVALID_ARGUMENT,
      'INVALID_ARGUMENT',
    ],
    [
      'an empty request that needs fields',
      'IamService/CreateUser',
      () => frame(Buffer.alloc(0)),
      INVALID_ARGUMENT,
      'INVALID_ARGUMENT',
    ],
    [
      'a message beyond the bound',
      'IamService/CreateUser',
      () => frame(Buffer.alloc(2 << 20)),
      RESOURCE_EXHAUSTED,
      '',
    ],
    [
      'an unknown resource',
      'IamService/GetUser',
      () => encoded('IamService/GetUser', { name: 'nobody' }),
      5,
      'NOT_FOUND',
    ],
    [
      'an unknown feed',
      'ClusterService/FollowFeed',
      () => encoded('ClusterService/FollowFeed', { projection: 'unicorns' }),
      5,
      'NOT_FOUND',
    ],
    [
      'a kind named like what every object has',
      'ClusterService/Why',
      () => encoded('ClusterService/Why', { kind: '__proto__', name: 'x' }),
      5,
      'NOT_FOUND',
    ],
  ]
  test.each(refused)('%s', async (_, method, bytes, status, code) => {
    expect(await grpc(method, bytes())).toEqual({ status, code })
  })

  test('a bad token', async () => {
    const answer = await grpc('ClusterService/Status', frame(Buffer.alloc(0)), {
      authorization: 'Bearer nonsense',
    })
    expect(answer).toEqual({ status: UNAUTHENTICATED, code: 'UNAUTHENTICATED' })
  })

  test('a method that is not there', async () => {
    const answer = await grpcCall(
      node.facts.grpc,
      '/ultracloud.iam.v1.IamService/Conjure',
      frame(Buffer.alloc(0)),
      {},
    )
    expect(answer.status).toBe(12)
  })

  test('random bytes as a request, of every method', async () => {
    const messages = Array.from({ length: 20 }, (_, i) => randomBytes(1 + i * 13))
    for (const { path, method } of node.api.methods) {
      if (method.stream) continue
      const message = messages[path.length % messages.length] ?? Buffer.alloc(0)
      const { status } = await grpcCall(node.facts.grpc, path, frame(message), {
        authorization: `Bearer ${node.token}`,
      })
      expect(status, `${path} ${message.toString('hex')}`).toBe(INVALID_ARGUMENT)
    }
  })

  test.each([
    ['no frame', Buffer.from([1, 2, 3])],
    ['a frame that says more than comes', Buffer.from([0, 0, 0, 0, 9, 1])],
    ['a compressed frame without a compression', Buffer.from([1, 0, 0, 0, 1, 0])],
    ['two messages where there is one', Buffer.concat([frame(Buffer.alloc(0)), frame(Buffer.alloc(0))])],
  ])('%s', async (_, bytes) => {
    const { status } = await grpc('ClusterService/Status', bytes)
    expect(status).toBeGreaterThan(0)
  })

  const preface = 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'
  const http2Frame = (length: number, type: number, flags: number, stream: number): Buffer => {
    const head = Buffer.alloc(9)
    head.writeUIntBE(length, 0, 3)
    head.writeUInt8(type, 3)
    head.writeUInt8(flags, 4)
    head.writeUInt32BE(stream, 5)
    return head
  }
  const settings = http2Frame(0, 4, 0, 0)
  test.each([
    ['no HTTP/2 at all', Buffer.from('GET / HTTP/1.1\r\nhost: x\r\n\r\n')],
    ['random bytes', randomBytes(4096)],
    ['random bytes after the preface', Buffer.concat([Buffer.from(preface), settings, randomBytes(4096)])],
    [
      'a frame beyond the size agreed on',
      Buffer.concat([Buffer.from(preface), settings, http2Frame(0xffffff, 1, 4, 1), Buffer.alloc(20_000)]),
    ],
    [
      'headers on stream 0',
      Buffer.concat([Buffer.from(preface), settings, http2Frame(1, 1, 4, 0), Buffer.from([0x82])]),
    ],
    [
      'a header block that cannot be decoded',
      Buffer.concat([
        Buffer.from(preface),
        settings,
        http2Frame(4, 1, 5, 1),
        Buffer.from([0xff, 0xff, 0xff, 0xff]),
      ]),
    ],
    [
      'a window that overflows',
      Buffer.concat([
        Buffer.from(preface),
        settings,
        http2Frame(4, 8, 0, 0),
        Buffer.from([0x7f, 0xff, 0xff, 0xff]),
      ]),
    ],
  ])('%s: the connection ends', async (_, bytes) => {
    expect(await exchange(node.facts.grpc, bytes)).not.toContain('grpc-status')
  })

  test('and goes on', expectWell)
})
