import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, it, onTestFinished } from 'vitest'
import { Rejection } from '../../domains/kernel/rejection.ts'
import { grpcEdge, restEdge } from '../testing/edge.ts'
import { TOKEN } from '../testing/fake_control_plane.ts'
import { runTool } from '../testing/run_tool.ts'
import { until } from '../testing/until.ts'

interface Answer {
  readonly status: number
  readonly type: string
  readonly headers: Readonly<Record<string, readonly string[]>>
  readonly body: unknown
}

const authorized = ['-H', `authorization: Bearer ${TOKEN}`]
const asJson = ['-H', 'content-type: application/json']
const box = { project: 'demo', name: 'first', note: null, size: 1, sealed: false }

/** What curl gets. */
async function curl(url: string, ...args: string[]): Promise<Answer> {
  const format = '\n%{http_code}\n%{content_type}\n%{header_json}'
  const { code, stdout, stderr } = await runTool('curl', ['-sS', '-m', '10', '-w', format, ...args, url])
  expect([code, stderr]).toEqual([0, ''])
  const [body = '', status, type = '', ...headers] = stdout.split('\n')
  return { status: Number(status), type, headers: JSON.parse(headers.join('\n')), body: JSON.parse(body) }
}

function create(url: string, data: object, ...args: string[]): Promise<Answer> {
  return curl(
    `${url}/api/v1/commands/toy.CreateBox`,
    ...authorized,
    ...asJson,
    '-d',
    JSON.stringify(data),
    ...args,
  )
}

describe('commands as JSON', () => {
  it('run, with their options, and answer with the revision', async () => {
    const { url, control } = await restEdge()
    const made = await curl(
      `${url}/api/v1/commands/toy.CreateBox?wait=projected&if_revision=7&timeout_milliseconds=50`,
      ...authorized,
      ...asJson,
      ...['-H', 'Idempotency-Key: "once"', '-d', JSON.stringify(box)],
    )
    expect(made.status).toBe(200)
    expect(made.body).toEqual({
      revision: 1,
      history: 'history-1',
      duplicate: false,
      result: { uid: 'uid-1' },
    })
    expect(made.headers).toMatchObject({ etag: ['"1"'], 'x-ultracloud-revision': ['1'] })
    expect(control.submitted).toMatchObject([
      { commandId: 'once', wait: 'projected', ifRevision: 7, timeoutMilliseconds: 50, data: box },
    ])
  })

  it('take the entity tag of a read as the revision they expect', async () => {
    const { url, control } = await restEdge()
    await create(url, box, '-H', 'If-Match: "41"')
    expect(control.submitted).toMatchObject([{ ifRevision: 41 }])
    const { status, body } = await create(url, box, '-H', 'If-Match: *')
    expect(status).toBe(400)
    expect(body).toMatchObject({ detail: expect.stringContaining('if-match') as unknown })
  })

  it('answer a dry run with what would have happened', async () => {
    const { url, control } = await restEdge()
    const dry = await curl(
      `${url}/api/v1/commands/toy.CreateBox?dry_run=true`,
      ...authorized,
      ...asJson,
      '-d',
      JSON.stringify(box),
    )
    expect(dry.body).toMatchObject({ events: [{ type: 'toy.BoxCreated', data: { name: 'first' } }] })
    expect(control.entries).toEqual([])
  })

  it('go on to the leader, over gRPC', async () => {
    const leader = await grpcEdge()
    const { url, control } = await restEdge()
    control.leader = leader.address
    expect((await create(url, box)).body).toMatchObject({ revision: 1, result: { uid: 'uid-1' } })
    const again = await create(url, box)
    expect(again.status).toBe(409)
    expect(again.body).toMatchObject({ code: 'ALREADY_EXISTS', details: { name: 'first' } })
    const wrong = await create(url, { ...box, commandOptions: {} })
    expect(wrong.body).toMatchObject({
      code: 'INVALID_ARGUMENT',
      detail: expect.stringContaining('commandOptions') as unknown,
    })
    expect(control.submitted).toEqual([])
  })
})

describe('reads', () => {
  it('go on to the leader when only it can answer', async () => {
    const leader = await grpcEdge()
    const { url, control } = await restEdge()
    await leader.client().command({ type: 'toy.CreateBox', data: box })
    control.leader = leader.address
    const list = `${url}/api/v1/projects/demo/toy/boxes`
    const one = await curl(`${list}/first`, ...authorized)
    expect(one).toMatchObject({ status: 200, body: { name: 'first', size: 1 } })
    expect(await curl(list, ...authorized)).toMatchObject({ body: { items: [one.body], revision: 1 } })
    expect(control.reads).toEqual([])
    expect(await curl(`${list}?consistency=stale`, ...authorized)).toMatchObject({ body: { items: [] } })
  })

  it('give one row, with its entity tag', async () => {
    const { url, control } = await restEdge()
    await create(url, box)
    const read = await curl(`${url}/api/v1/projects/demo/toy/boxes/first?at=2h&min_revision=1`, ...authorized)
    expect(read.body).toMatchObject({ ...box, state: 'open', revision: 1 })
    expect(read.headers).toMatchObject({
      etag: ['"1"'],
      'x-ultracloud-revision': ['1'],
      'x-ultracloud-history': ['history-1'],
    })
    expect(control.reads).toMatchObject([
      { kind: 'toy.box', project: 'demo', name: 'first', at: '2h', minRevision: 1 },
    ])
  })

  it('give pages, of one project and of all', async () => {
    const { url, control } = await restEdge()
    for (const name of ['a', 'b', 'c']) await create(url, { ...box, name })
    const first = await curl(`${url}/api/v1/projects/demo/toy/boxes?page_size=2`, ...authorized)
    expect(first.body).toMatchObject({
      items: [{ name: 'a' }, { name: 'b' }],
      nextPageToken: '2',
      revision: 3,
    })
    const rest = await curl(`${url}/api/v1/toy/boxes?page_size=2&page_token=2`, ...authorized)
    expect(rest.body).toMatchObject({ items: [{ name: 'c' }], nextPageToken: '' })
    expect(control.reads).toMatchObject([{ project: 'demo' }, { project: undefined }])
  })

  it('pass filters on', async () => {
    const { url, control } = await restEdge()
    const query = 'state=open&label.tier=front&consistency=stale'
    await curl(`${url}/api/v1/toy/boxes?${query}`, ...authorized)
    expect(control.reads).toMatchObject([
      { filter: { state: 'open', 'label.tier': 'front' }, consistency: 'stale' },
    ])
  })

  it('tell what happened and what is', async () => {
    const { url, control } = await restEdge()
    await create(url, box)
    const log = await curl(`${url}/api/v1/log?from=1&limit=5`, ...authorized)
    expect(log.body).toMatchObject({ entries: [{ revision: 1, command: 'toy.CreateBox' }], next: 2 })
    const why = await curl(`${url}/api/v1/why/toy.box/first?project=demo`, ...authorized)
    expect(why.body).toMatchObject({ entries: [{ revision: 1 }] })
    const diff = await curl(`${url}/api/v1/diff?from=2h`, ...authorized)
    expect(diff.body).toMatchObject({ changes: [{ uid: 'uid-1', before: null }] })
    const status = await curl(`${url}/api/v1/status`, ...authorized)
    expect(status.body).toEqual(await control.status())
  })

  it('tell on a follower what the leader knows', async () => {
    const leader = await grpcEdge()
    const { url, control } = await restEdge()
    await leader.client().command({ type: 'toy.CreateBox', data: box })
    leader.control.hosts = [{ name: 'rack-1', realizedRevision: 1, lastHeartbeat: 1000 }]
    control.leader = leader.address
    const why = await curl(`${url}/api/v1/why/toy.box/first?project=demo`, ...authorized)
    expect(why.body).toEqual({ entries: leader.control.entries })
    const diff = await curl(`${url}/api/v1/diff?from=2h`, ...authorized)
    expect(diff.body).toEqual(await leader.control.diff())
    const awaited: number[] = []
    control.waitForRevision = async (revision) => {
      awaited.push(revision)
    }
    expect((await curl(`${url}/api/v1/log`, ...authorized)).status).toBe(200)
    expect(awaited).toEqual([1])
    const status = await curl(`${url}/api/v1/status`, ...authorized)
    expect(status.body).toMatchObject({ revision: 0, hosts: leader.control.hosts })
    control.leader = ''
    expect((await curl(`${url}/api/v1/diff?from=2h`, ...authorized)).status).toBe(503)
    expect((await curl(`${url}/api/v1/status`, ...authorized)).status).toBe(200)
  })

  it('need no token for health and the description', async () => {
    const { url } = await restEdge()
    expect((await curl(`${url}/healthz`)).body).toEqual({ status: 'ok' })
    expect((await curl(`${url}/openapi.json`)).body).toMatchObject({ openapi: '3.1.1' })
  })
})

describe('bad input', () => {
  it.each([
    ['an unknown path', '/api/v1/toy/nothing', 404, 'NOT_FOUND', '/api/v1/toy/nothing'],
    ['an unknown row', '/api/v1/projects/demo/toy/boxes/none', 404, 'NOT_FOUND', 'no such toy.box'],
    ['an unknown kind', '/api/v1/why/toy.cup/first', 404, 'NOT_FOUND', 'toy.cup'],
    [
      'an unknown parameter',
      '/api/v1/status?verbose=1',
      400,
      'INVALID_ARGUMENT',
      'verbose: unknown parameter',
    ],
    ['a filter of the wrong type', '/api/v1/toy/boxes?size=many', 400, 'INVALID_ARGUMENT', 'not a number'],
    ['a filter by no field', '/api/v1/toy/boxes?stat=open', 400, 'INVALID_ARGUMENT', 'stat'],
    [
      'a parameter given twice',
      '/api/v1/toy/boxes?state=a&state=b',
      400,
      'INVALID_ARGUMENT',
      'state: may be given once',
    ],
    ['a page beyond the bound', '/api/v1/toy/boxes?page_size=1001', 400, 'INVALID_ARGUMENT', 'page_size'],
    ['a page size of no number', '/api/v1/toy/boxes?page_size=ten', 400, 'INVALID_ARGUMENT', 'page_size'],
    ['a path that is no URL', '/api/v1/%zz', 400, 'INVALID_ARGUMENT', '%zz'],
    ['a missing parameter', '/api/v1/diff', 400, 'INVALID_ARGUMENT', 'from'],
  ])('%s is refused', async (_, path, status, code, detail) => {
    const { url, faults } = await restEdge()
    const answer = await curl(`${url}${path}`, ...authorized)
    expect(answer).toMatchObject({ status, type: 'application/problem+json; charset=utf-8' })
    expect(answer.body).toMatchObject({
      type: `urn:ultracloud:error:${code}`,
      status,
      code,
      detail: expect.stringContaining(detail) as unknown,
    })
    expect(faults).toEqual([])
  })

  it.each([
    ['JSON that ends too early', '{"project":', 'application/json', 400, 'JSON'],
    ['an empty body', '', 'application/json', 400, 'empty'],
    ['a list', '[1]', 'application/json', 400, 'expected object'],
    [
      'an unknown field',
      JSON.stringify({ ...box, colour: 'red' }),
      'application/json',
      400,
      'colour: unknown field',
    ],
    ['a wrong type', JSON.stringify({ ...box, size: '1' }), 'application/json', 400, 'size: Invalid input'],
    ['a reserved key', '{"__proto__":{"a":1}}', 'application/json', 400, 'JSON'],
    [
      'another content type',
      'project=demo',
      'application/x-www-form-urlencoded',
      415,
      'content-type: application/json',
    ],
    ['plain text', 'hello', 'text/plain', 415, 'content-type: application/json'],
  ])('a command with %s is refused', async (_, body, type, status, detail) => {
    const { url, faults } = await restEdge()
    const path = `${url}/api/v1/commands/toy.CreateBox`
    const answer = await curl(path, ...authorized, '-H', `content-type: ${type}`, '-d', body)
    expect(answer).toMatchObject({ status, type: 'application/problem+json; charset=utf-8' })
    expect(answer.body).toMatchObject({ status, detail: expect.stringContaining(detail) as unknown })
    expect(faults).toEqual([])
  })

  it.each(['toy.Destroy', 'toy.constructor', 'none.CreateBox', 'CreateBox'])(
    'the command %s is unknown',
    async (name) => {
      const { url } = await restEdge()
      const answer = await curl(`${url}/api/v1/commands/${name}`, ...authorized, ...asJson, '-d', '{}')
      expect(answer).toMatchObject({ status: 404, body: { code: 'UNKNOWN_COMMAND' } })
    },
  )

  it('a body beyond the bound is refused', async () => {
    const { url, control } = await restEdge()
    const directory = await mkdtemp(join(tmpdir(), 'ultracloud-rest-'))
    onTestFinished(() => rm(directory, { recursive: true, force: true }))
    const file = join(directory, 'body')
    await writeFile(file, 'x'.repeat(1024 * 1024 + 1))
    const path = `${url}/api/v1/commands/toy.CreateBox`
    const answer = await curl(path, ...authorized, ...asJson, '-H', 'Expect:', '--data-binary', `@${file}`)
    expect(answer).toMatchObject({ status: 413, body: { code: 'TOO_LARGE' } })
    expect(control.submitted).toEqual([])
  })

  it.each([[], ['-H', 'authorization: Bearer wrong'], ['-u', 'toy:toy']])(
    'the token of %j is refused before the body is read',
    async (...args) => {
      const { url, control } = await restEdge()
      const answer = await curl(`${url}/api/v1/commands/toy.CreateBox`, ...args, ...asJson, '-d', '{')
      expect(answer).toMatchObject({ status: 401, body: { code: 'UNAUTHENTICATED' } })
      expect(answer.headers).toMatchObject({ 'www-authenticate': ['Bearer'] })
      expect(control.submitted).toEqual([])
    },
  )
})

describe('the server', () => {
  it('answers a fault with INTERNAL and keeps its cause to itself', async () => {
    const { url, control, faults } = await restEdge()
    control.status = () => Promise.reject(new Error('the password is 1234'))
    const { status, body } = await curl(`${url}/api/v1/status`, ...authorized)
    expect(status).toBe(500)
    expect(body).toMatchObject({ code: 'INTERNAL', detail: expect.not.stringContaining('1234') as unknown })
    expect(faults).toMatchObject([{ message: 'the password is 1234' }])
  })

  it('says when to try again', async () => {
    const { url, control } = await restEdge()
    control.submit = () => Promise.reject(new Rejection('OVERLOADED', 'too many commands'))
    const { status, headers } = await create(url, box)
    expect(status).toBe(429)
    expect(headers).toMatchObject({ 'retry-after': ['1'] })
  })

  it.each([
    ['sends half of its headers', 'POST /api/v1/commands/toy.CreateBox HTTP/1.1\r\nHost: x\r\n'],
    [
      'sends half of its body',
      `POST /api/v1/commands/toy.CreateBox HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${TOKEN}\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n{"pro`,
    ],
  ])('cuts a client that %s and then nothing', async (_, sent) => {
    const { url, port, control } = await restEdge({ clientTimeoutMilliseconds: 200 })
    const socket = connect(port, '127.0.0.1')
    onTestFinished(() => {
      socket.destroy()
    })
    let received = ''
    let closed = false
    socket.on('data', (bytes: Buffer) => {
      received += bytes.toString()
    })
    socket.on('close', () => {
      closed = true
    })
    socket.write(sent)
    await until('the connection is cut', () => closed)
    expect(received).toContain('408')
    expect(control.submitted).toEqual([])
    expect((await curl(`${url}/healthz`)).status).toBe(200)
  })
})
