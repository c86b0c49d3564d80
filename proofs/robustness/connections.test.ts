import { execFile } from 'node:child_process'
import { createServer, type Server } from 'node:http'
import { connect as connectHttp2 } from 'node:http2'
import type { AddressInfo, Socket } from 'node:net'
import { promisify } from 'node:util'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { freePort } from '../../main/quickstart/tools.ts'
import { GROWTH_BYTES_MAX, NodeProcess } from './node.ts'
import { dial } from './raw.ts'

/** Connections on which nothing comes, or only half of something, keep nobody else from being served. */
let node: NodeProcess
let backend: Server
let balancer: string

beforeAll(async () => {
  backend = createServer((_, response) => response.end('it works'))
  await new Promise<void>((resolve) => backend.listen(0, '127.0.0.1', resolve))
  node = await NodeProcess.start(['member', 'dns', 'balancer'])
  const project = 'default'
  const { address } = await node.run('lb.CreateLoadBalancer', { project, name: 'web' })
  const port = await freePort(String(address))
  balancer = `${String(address)}:${port}`
  await node.run('lb.CreatePool', { project, name: 'web' })
  await node.run('lb.CreateListener', {
    project,
    name: 'web',
    loadBalancer: 'web',
    protocol: 'HTTP',
    port,
    pool: 'web',
  })
  const member = {
    project,
    name: 'one',
    pool: 'web',
    address: '127.0.0.1',
    port: (backend.address() as AddressInfo).port,
  }
  await node.run('lb.CreateMember', member)
  await node.run('dns.CreateZone', { project, name: 'sound.test' })
  await node.run('dns.PutRecordSet', {
    project,
    zone: 'sound.test',
    name: 'www',
    type: 'A',
    values: ['192.0.2.1'],
  })
  await eventually(async () => (await served()).every((answer) => answer))
})

afterAll(async () => {
  await node?.close()
  backend?.close()
})

async function eventually(probe: () => Promise<boolean>): Promise<void> {
  const deadline = performance.now() + 15_000
  while (!(await probe().catch(() => false)))
    if (performance.now() > deadline) throw new Error(`it did not come in time:\n${node.tail}`)
}

/** Whether each of the four doors serves. */
function served(): Promise<readonly boolean[]> {
  const [host = '', port = ''] = (node.facts.dns ?? '').split(':')
  const dig = ['+tcp', `@${host}`, '-p', port, '+short', '+tries=1', '+time=2', 'www.sound.test']
  return Promise.all([
    node.admin.read({ kind: 'iam.user', name: 'admin' }).then(({ rows }) => rows.length === 1),
    fetch(`http://${node.facts.rest}/healthz`).then(({ ok }) => ok),
    promisify(execFile)('dig', dig).then(({ stdout }) => stdout === '192.0.2.1\n'),
    fetch(`http://${balancer}/`).then(async (response) => (await response.text()) === 'it works'),
  ])
}

async function expectWell(): Promise<void> {
  const started = performance.now()
  expect(await served()).toEqual([true, true, true, true])
  expect(performance.now() - started).toBeLessThan(2000)
  for (const growth of await node.growth()) expect(growth).toBeLessThan(GROWTH_BYTES_MAX)
}

const HELD_EACH = 200
const preface = 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'
const halves: readonly (readonly [
  door: string,
  address: () => string,
  beginnings: readonly (string | Buffer)[],
])[] = [
  ['gRPC', () => node.facts.grpc, ['', 'PRI * HT', preface]],
  [
    'REST',
    () => node.facts.rest,
    [
      '',
      'GET /healthz HTTP/1.1\r\nho',
      'POST /api/v1/commands/iam.CreateUser HTTP/1.1\r\nhost: x\r\ncontent-length: 50\r\n\r\n{',
    ],
  ],
  ['DNS', () => node.facts.dns ?? '', ['', Buffer.from([0]), Buffer.from([0, 40, 1, 2, 3])]],
  [
    'balancer',
    () => balancer,
    ['', 'GET / HTTP/1.1\r\nho', 'POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 50\r\n\r\n{'],
  ],
]

test('held at every door at once, many half-open connections keep nobody out', async () => {
  const held: Socket[] = []
  for (const [, address, beginnings] of halves)
    for (const beginning of beginnings)
      held.push(
        ...(await Promise.all(
          Array.from({ length: HELD_EACH }, async () => {
            const socket = await dial(address())
            if (beginning.length > 0) socket.write(beginning)
            return socket
          }),
        )),
      )
  expect(held).toHaveLength(halves.length * 3 * HELD_EACH)
  try {
    for (let i = 0; i < 10; i++) await expectWell()
  } finally {
    for (const socket of held) socket.destroy()
  }
  await expectWell()
})

test('a request that is begun at the balancer and never ended is cut, and told so', async () => {
  const socket = await dial(balancer)
  const parts: Buffer[] = []
  socket.on('data', (part: Buffer) => parts.push(part))
  socket.write('GET / HTTP/1.1\r\nho')
  await new Promise<void>((resolve) => socket.once('close', () => resolve()))
  expect(Buffer.concat(parts).toString()).toMatch(/^HTTP\/1\.1 408 /)
  await expectWell()
})

test('streams that are opened and cancelled at once, by the thousand', async () => {
  for (let round = 0; round < 10; round++) {
    const session = connectHttp2(`http://${node.facts.grpc}`)
    session.on('error', () => undefined)
    for (let i = 0; i < 1000 && !session.destroyed; i++) {
      const stream = session.request({
        ':method': 'POST',
        ':path': '/ultracloud.iam.v1.IamService/ListUsers',
        'content-type': 'application/grpc',
      })
      stream.on('error', () => undefined)
      stream.close(8)
    }
    await new Promise<void>((resolve) => {
      session.once('close', () => resolve())
      session.close()
      setTimeout(() => session.destroy(), 500).unref()
    })
  }
  await expectWell()
})

test('pings that nobody waits for', async () => {
  const ping = Buffer.from([0, 0, 8, 6, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1])
  const socket = await dial(node.facts.grpc)
  socket.pause()
  socket.write(preface)
  socket.write(Buffer.from([0, 0, 0, 4, 0, 0, 0, 0, 0]))
  for (let i = 0; i < 50; i++) socket.write(Buffer.concat(Array<Buffer>(2000).fill(ping)))
  await expectWell()
  socket.destroy()
})
