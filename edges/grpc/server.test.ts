import { connect as connectHttp2, constants } from 'node:http2'
import { connect, type Socket } from 'node:net'
import { Client, credentials, Metadata, type ServiceError, status } from '@grpc/grpc-js'
import { describe, expect, it, onTestFinished } from 'vitest'
import { Rejection } from '../../domains/kernel/rejection.ts'
import { grpcEdge } from '../testing/edge.ts'
import { TOKEN } from '../testing/fake_control_plane.ts'
import { until } from '../testing/until.ts'
import { FORWARDED } from './forward.ts'
import { CODE_TRAILER, DETAILS_TRAILER } from './status.ts'

const CREATE = '/ultracloud.toy.v1.ToyService/CreateBox'
const box = { project: 'demo', name: 'first', size: 1 }

/** A call with whatever bytes: resolves to the error it ends with, null when there is none. */
function rawCall(
  address: string,
  path: string,
  bytes: Buffer,
  headers: Readonly<Record<string, string>> = { authorization: `Bearer ${TOKEN}` },
): Promise<ServiceError | null> {
  const client = new Client(address, credentials.createInsecure())
  onTestFinished(() => client.close())
  const metadata = new Metadata()
  for (const [name, value] of Object.entries(headers)) metadata.set(name, value)
  const identity = (buffer: Buffer): Buffer => buffer
  return new Promise((resolve) => {
    client.makeUnaryRequest(path, identity, identity, bytes, metadata, (error) => resolve(error))
  })
}

describe('bad input', () => {
  it.each([
    [
      'bytes that are no message',
      Buffer.from([0x0a, 0xff]),
      'the bytes are no ultracloud.toy.v1.CreateBoxRequest',
    ],
    ['an unknown field', Buffer.from([0xa2, 0x06, 1, 65]), 'unknown field 100'],
    ['a wrong type', Buffer.from([0x08, 1]), 'project: has the wrong wire type'],
    ['a missing field', Buffer.alloc(0), 'project: must be 1 to 63'],
    ['an option out of bounds', Buffer.from([0xc2, 0x3e, 2, 0x28, 0]), 'timeoutMilliseconds'],
  ])('%s is refused, and says what is wrong', async (_, bytes, problem) => {
    const { address, faults } = await grpcEdge()
    const error = await rawCall(address, CREATE, bytes)
    expect(error).toMatchObject({ code: status.INVALID_ARGUMENT })
    expect(error?.details).toContain(problem)
    expect(error?.metadata.get(CODE_TRAILER)).toEqual(['INVALID_ARGUMENT'])
    expect(faults).toEqual([])
  })

  it('a request beyond the bound is refused before it is read', async () => {
    const { address, control } = await grpcEdge()
    const error = await rawCall(address, CREATE, Buffer.alloc(1024 * 1024 + 1))
    expect(error).toMatchObject({ code: status.RESOURCE_EXHAUSTED })
    expect(control.submitted).toEqual([])
  })

  it.each([{}, { authorization: 'Bearer wrong' }, { authorization: 'Basic dG95' }])(
    'the token %j is refused',
    async (headers) => {
      const { address } = await grpcEdge()
      const error = await rawCall(address, CREATE, Buffer.alloc(0), headers)
      expect(error).toMatchObject({ code: status.UNAUTHENTICATED })
      expect(error?.metadata.get(CODE_TRAILER)).toEqual(['UNAUTHENTICATED'])
    },
  )

  it('an unknown method is unimplemented', async () => {
    const { address } = await grpcEdge()
    const error = await rawCall(address, '/ultracloud.toy.v1.ToyService/Destroy', Buffer.alloc(0))
    expect(error).toMatchObject({ code: status.UNIMPLEMENTED })
  })

  it('a filter by what is no field is refused', async () => {
    const { client } = await grpcEdge()
    await expect(client().read({ kind: 'toy.box', filter: { stat: 'open' } })).rejects.toMatchObject({
      code: 'INVALID_ARGUMENT',
      message: expect.stringContaining('filtered by stat;') as unknown,
    })
  })

  it.each([
    [{ state: 'opne' }, 'state: "opne" is not one of open, in-use'],
    [{ size: 'many' }, 'size: "many" is not a number'],
    [{ size: '03', sealed: 'no' }, 'size: "03" is not a number; sealed: "no" is not true or false'],
    [{ rules: '80' }, 'rules: it holds more than one value'],
    [{ labels: 'a' }, 'labels: say label.<name>'],
    [{ revision: '3' }, 'filtered by revision;'],
  ])('a filter by %o, which nothing can match, is refused', async (filter, message) => {
    const { client } = await grpcEdge()
    await expect(client().read({ kind: 'toy.box', filter })).rejects.toMatchObject({
      code: 'INVALID_ARGUMENT',
      message: expect.stringContaining(message) as unknown,
    })
  })

  it('a filter by what a field can be is taken', async () => {
    const { client, control } = await grpcEdge()
    const filter = { state: 'in-use', size: '3', ratio: '0.5', sealed: 'false', note: '', 'label.a': 'b' }
    await client().read({ kind: 'toy.box', filter })
    expect(control.reads).toMatchObject([{ filter }])
  })
})

describe('the client', () => {
  it('runs a command, retries it by its id, and reads', async () => {
    const { client, control } = await grpcEdge()
    const calls = client()
    const reply = await calls.command({ type: 'toy.CreateBox', data: box, commandId: 'a' })
    expect(reply).toEqual({
      revision: 1,
      history: 'history-1',
      duplicate: false,
      result: { uid: 'uid-1' },
      events: undefined,
    })
    const dry = await calls.command({ type: 'toy.CreateBox', data: { ...box, name: 'second' }, dryRun: true })
    expect(dry.events).toMatchObject([{ type: 'toy.BoxCreated', data: { name: 'second' } }])
    const page = await calls.read({
      kind: 'toy.box',
      project: 'demo',
      pageSize: 10,
      filter: { state: 'open' },
    })
    expect(page).toMatchObject({ revision: 1, history: 'history-1', nextPageToken: '' })
    expect(page.rows).toMatchObject([{ ...box, note: null, createdAt: 1000 }])
    expect(control.submitted[1]).toMatchObject({ dryRun: true, actor: { principal: 'toy-user' } })
  })

  it('gets rejections with their code and details', async () => {
    const { client } = await grpcEdge()
    const calls = client()
    await calls.command({ type: 'toy.CreateBox', data: box })
    const again = calls.command({ type: 'toy.CreateBox', data: box })
    await expect(again).rejects.toBeInstanceOf(Rejection)
    await expect(again).rejects.toMatchObject({ code: 'ALREADY_EXISTS', details: { name: 'first' } })
    await expect(calls.read({ kind: 'toy.box', name: 'none' })).rejects.toMatchObject({ code: 'NOT_FOUND' })
  })

  it('changes, leaves and clears fields of an update as the contract tells them apart', async () => {
    const { client, control } = await grpcEdge()
    const calls = client()
    await calls.command({ type: 'toy.CreateBox', data: { ...box, note: 'old' } })
    for (const change of [{}, { note: null, rules: [] }, { size: 0, state: 'in-use' }])
      await calls.command({ type: 'toy.UpdateBox', data: { project: 'demo', name: 'first', ...change } })
    expect(control.submitted.slice(1).map(({ data }) => data)).toEqual([
      { project: 'demo', name: 'first' },
      { project: 'demo', name: 'first', note: null, rules: [] },
      { project: 'demo', name: 'first', size: 0, state: 'in-use' },
    ])
  })

  it('serves the cluster: status, members, log, why, diff, heartbeat', async () => {
    const { client, control } = await grpcEdge()
    const calls = client()
    await calls.command({ type: 'toy.CreateBox', data: box })
    expect(await calls.call('ClusterService/Status', {})).toEqual(await control.status())
    expect(await calls.call('ClusterService/MemberList', {})).toHaveProperty('members.0.id', 'a')
    const why = await calls.call('ClusterService/Why', { kind: 'toy.box', name: 'first' })
    expect(why).toHaveProperty('entries.0.command', 'toy.CreateBox')
    const diff = await calls.call('ClusterService/Diff', { from: '2h' })
    expect(diff).toMatchObject({ changes: [{ uid: 'uid-1', beforeJson: null }] })
    await calls.heartbeat({ realizer: 'host/1', realizedRevision: 1, history: 'h', incarnations: ['i'] })
    expect(control.beats).toEqual([
      { realizer: 'host/1', realizedRevision: 1, history: 'h', incarnations: ['i'] },
    ])
  })

  it('follows the log until it has seen enough', async () => {
    const { client } = await grpcEdge()
    const calls = client()
    const stop = new AbortController()
    const seen: unknown[] = []
    const reading = (async () => {
      for await (const { entries } of calls.stream(
        'ClusterService/Log',
        { from: 1, follow: true },
        stop.signal,
      ))
        seen.push(...(entries as { revision: number }[]).map(({ revision }) => revision))
    })()
    for (const name of ['a', 'b', 'c']) await calls.command({ type: 'toy.CreateBox', data: { ...box, name } })
    await until('three entries seen', () => seen.length === 3)
    stop.abort()
    await reading
    expect(seen).toEqual([1, 2, 3])
  })
})

describe('forwarding', () => {
  it('passes commands and heartbeats on to the leader, with the caller’s token', async () => {
    const leader = await grpcEdge()
    const follower = await grpcEdge()
    follower.control.leader = leader.address
    const calls = follower.client()
    const reply = await calls.command({ type: 'toy.CreateBox', data: box })
    expect(reply.revision).toBe(1)
    await calls.heartbeat({ realizer: 'host/1', realizedRevision: 1, history: '', incarnations: [] })
    expect(leader.control.submitted).toHaveLength(1)
    expect(leader.control.beats).toHaveLength(1)
    expect(follower.control.submitted).toEqual([])
    await expect(calls.command({ type: 'toy.CreateBox', data: box })).rejects.toMatchObject({
      code: 'ALREADY_EXISTS',
      details: { name: 'first' },
    })
  })

  it('asks the leader for what made and changed things, and, in its own status, for the hosts', async () => {
    const leader = await grpcEdge()
    const follower = await grpcEdge()
    const calls = follower.client()
    await leader.client().command({ type: 'toy.CreateBox', data: box })
    const host = { name: 'rack-1', realizedRevision: 1, lastHeartbeat: 1000 }
    leader.control.hosts = [host]
    follower.control.hosts = [{ ...host, realizedRevision: 0, lastHeartbeat: -1 }]
    follower.control.leader = leader.address
    await expect(
      calls.call('ClusterService/Why', { kind: 'toy.box', name: 'first' }),
    ).resolves.toHaveProperty('entries.0.command', 'toy.CreateBox')
    await expect(calls.call('ClusterService/Diff', { from: '1' })).resolves.toMatchObject({
      changes: [{ uid: 'uid-1' }],
    })
    await expect(calls.call('ClusterService/Status', {})).resolves.toMatchObject({
      revision: 0,
      hosts: [host],
    })
    leader.control.leader = follower.address
    const unknown = { hosts: [{ lastHeartbeat: 1000 }] }
    await expect(calls.call('ClusterService/Status', {})).resolves.toMatchObject(unknown)
    follower.control.leader = '127.0.0.1:1'
    await expect(calls.call('ClusterService/Status', {})).resolves.toMatchObject({
      hosts: [{ lastHeartbeat: -1 }],
    })
    await expect(calls.call('ClusterService/Diff', { from: '1' })).rejects.toMatchObject({
      code: 'UNAVAILABLE',
    })
  })

  it('shows of the log all that the leader had committed, however late it comes', async () => {
    const leader = await grpcEdge()
    const follower = await grpcEdge()
    const calls = follower.client()
    await leader.client().command({ type: 'toy.CreateBox', data: box })
    follower.control.waitForRevision = async (revision) => {
      expect(revision).toBe(1)
      follower.control.entries.push(...leader.control.entries)
    }
    follower.control.leader = leader.address
    const signal = AbortSignal.timeout(10_000)
    const pages = await Array.fromAsync(calls.stream('ClusterService/Log', { from: 1 }, signal))
    expect(pages).toMatchObject([{ entries: [{ command: 'toy.CreateBox' }], next: 2 }])
    follower.control.leader = ''
    follower.control.waitForRevision = async () => expect.unreachable()
    expect(await Array.fromAsync(calls.stream('ClusterService/Log', { from: 1 }, signal))).toEqual(pages)
  })

  it('passes on reads that only the leader can answer, and answers the others itself', async () => {
    const leader = await grpcEdge()
    const follower = await grpcEdge()
    const calls = follower.client()
    await leader.client().command({ type: 'toy.CreateBox', data: box })
    follower.control.leader = leader.address
    await expect(calls.read({ kind: 'toy.box', project: 'demo', name: 'first' })).resolves.toMatchObject({
      rows: [box],
    })
    await expect(calls.read({ kind: 'toy.box' })).resolves.toMatchObject({ rows: [box] })
    expect(follower.control.reads).toEqual([])
    await expect(calls.read({ kind: 'toy.box', consistency: 'stale' })).resolves.toMatchObject({ rows: [] })
    expect(leader.control.reads).toHaveLength(2)
  })

  it('lets the leader say who a caller is: it may know a token that has not come here yet', async () => {
    const leader = await grpcEdge()
    const follower = await grpcEdge()
    follower.control.leader = leader.address
    follower.control.authenticate = () => {
      throw new Rejection('UNAUTHENTICATED', 'the token has not come here yet')
    }
    await expect(follower.client().command({ type: 'toy.CreateBox', data: box })).resolves.toMatchObject({
      revision: 1,
    })
    await expect(
      follower.client('wrong').command({ type: 'toy.CreateBox', data: box }),
    ).rejects.toMatchObject({ code: 'UNAUTHENTICATED', message: 'the token is not valid' })
  })

  it('goes one hop only', async () => {
    const { address, control } = await grpcEdge()
    control.leader = address
    const headers = { authorization: `Bearer ${TOKEN}`, [FORWARDED]: '1' }
    const error = await rawCall(address, CREATE, Buffer.alloc(0), headers)
    expect(error?.metadata.get(CODE_TRAILER)).toEqual(['NOT_LEADER'])
  })

  it('says that no leader is known, and that a leader did not answer', async () => {
    const { control, client } = await grpcEdge()
    const calls = client()
    control.leader = ''
    await expect(calls.command({ type: 'toy.CreateBox', data: box })).rejects.toMatchObject({
      code: 'NOT_LEADER',
    })
    control.leader = '127.0.0.1:1'
    await expect(calls.command({ type: 'toy.CreateBox', data: box })).rejects.toMatchObject({
      code: 'OUTCOME_UNKNOWN',
    })
    await expect(calls.read({ kind: 'toy.box' })).rejects.toMatchObject({ code: 'UNAVAILABLE' })
  })
})

describe('the server', () => {
  it('answers a fault with INTERNAL and keeps its cause to itself', async () => {
    const { control, client, faults } = await grpcEdge()
    control.submit = () => Promise.reject(new Error('the password is 1234'))
    await expect(client().command({ type: 'toy.CreateBox', data: box })).rejects.toMatchObject({
      code: 'INTERNAL',
      message: expect.not.stringContaining('1234') as unknown,
    })
    expect(faults).toMatchObject([{ message: 'the password is 1234' }])
  })

  it('keeps trailers within what peers take', async () => {
    const { control, address } = await grpcEdge()
    control.read = () =>
      Promise.reject(new Rejection('NO_CAPACITY', 'é'.repeat(5000), { hosts: 'é'.repeat(5000) }))
    const error = await rawCall(address, '/ultracloud.toy.v1.ToyService/GetBox', Buffer.from([0x12, 1, 0x61]))
    expect(error).toMatchObject({ code: status.RESOURCE_EXHAUSTED })
    expect(error?.metadata.get(DETAILS_TRAILER)).toEqual(['{"truncated":true}'])
  })

  it('refuses an answer beyond the bound, and cuts long pages of the log into messages', async () => {
    const { control, client } = await grpcEdge()
    const note = 'x'.repeat(1024 * 1024)
    const row = { uid: 'u', name: 'n', note }
    const many = Array.from({ length: 17 }, () => row)
    control.read = async () => ({ revision: 1, history: 'h', rows: many, nextPageToken: '' })
    await expect(client().read({ kind: 'toy.box' })).rejects.toMatchObject({ code: 'TOO_LARGE' })
    const [actor, rest] = [
      { principal: 'p', kind: 'user' } as const,
      { time: 1, command: '', commandId: '', cause: '' },
    ]
    for (let revision = 1; revision <= 20; revision += 1)
      control.entries.push({ ...rest, revision, actor, request: { note }, events: [] })
    const seen: number[] = []
    for await (const { entries, next } of client().stream(
      'ClusterService/Log',
      {},
      new AbortController().signal,
    )) {
      seen.push(...(entries as { revision: number }[]).map(({ revision }) => revision))
      expect(next).toBe((seen.at(-1) ?? 0) + 1)
    }
    expect(seen).toEqual(Array.from({ length: 20 }, (_, n) => n + 1))
  })

  it('cuts a connection whose other end is silent', async () => {
    const { address } = await grpcEdge({ keepaliveMilliseconds: 100 })
    const socket = await silentHttp2(address)
    let closed = false
    socket.on('close', () => {
      closed = true
    })
    await until('the silent connection is cut', () => closed)
  })

  it('stops within its grace although a stream is open', async () => {
    const { server, client } = await grpcEdge()
    const reading = (async () => {
      const { signal } = new AbortController()
      for await (const _ of client().stream('ClusterService/Log', { from: 1, follow: true }, signal));
    })()
    const began = Date.now()
    const ended = expect(reading).rejects.toMatchObject({ code: 'UNAVAILABLE' })
    await client().call('ClusterService/Status', {})
    await server.close(2_000)
    expect(Date.now() - began).toBeLessThan(5_000)
    await ended
  })

  it('refuses what is not gRPC', async () => {
    const { address } = await grpcEdge()
    const session = connectHttp2(`http://${address}`)
    onTestFinished(() => session.destroy())
    const stream = session.request({ [constants.HTTP2_HEADER_METHOD]: 'POST', 'content-type': 'text/plain' })
    stream.end('hello')
    const headers = await new Promise<Record<string, unknown>>((resolve) => stream.on('response', resolve))
    expect(headers[':status']).toBe(415)
  })
})

/** A connection that says hello as HTTP/2 wants it (RFC 9113 §3.4), and then nothing: pings stay unanswered. */
async function silentHttp2(address: string): Promise<Socket> {
  const [host, port] = address.split(':') as [string, string]
  const socket = connect(Number(port), host)
  onTestFinished(() => {
    socket.destroy()
  })
  await new Promise<void>((resolve) => socket.on('connect', () => resolve()))
  socket.write('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n')
  socket.write(Buffer.from([0, 0, 0, 4, 0, 0, 0, 0, 0]))
  socket.on('data', () => undefined)
  socket.on('error', () => undefined)
  return socket
}
