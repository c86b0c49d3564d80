import { connect } from 'node:http2'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { frame } from './frames.ts'
import { ended, RawClient, RawWatch } from './testing/client.ts'
import { TestCluster } from './testing/nodes.ts'

let cluster: TestCluster
let client: RawClient

beforeAll(async () => {
  cluster = await TestCluster.start(1)
  client = new RawClient(cluster.addresses[0] as string)
})

afterAll(async () => {
  client?.[Symbol.dispose]()
  await cluster?.[Symbol.asyncDispose]()
  expect(cluster.faults).toEqual([])
})

/** The status of a call with bytes as they are. */
async function statusOf(method: string, bytes: Buffer): Promise<{ code: number; text: string }> {
  const stream = client.open(method)
  stream.end(bytes)
  stream.resume()
  return ended(stream)
}

it('refuses what it does not know', async () => {
  expect(await statusOf('KV/Nothing', frame(Buffer.alloc(0)))).toEqual({
    code: 12,
    text: 'unknown method Nothing for service etcdserverpb.KV',
  })
})

it('refuses messages that are none, compressed, missing or too large, and goes on', async () => {
  expect(await statusOf('KV/Put', frame(Buffer.from([0x0a, 0xff])))).toMatchObject({ code: 13 })
  const compressed = frame(Buffer.from('x'))
  compressed[0] = 1
  expect(await statusOf('KV/Put', compressed)).toMatchObject({ code: 12 })
  expect(await statusOf('KV/Put', Buffer.alloc(0))).toMatchObject({ code: 13 })
  const large = Buffer.alloc(5)
  large.writeUInt32BE(3 << 20, 1)
  expect(await statusOf('KV/Put', large)).toEqual({
    code: 8,
    text: 'grpc: received message larger than max (3145728 vs. 2097152)',
  })
  const put = { key: Buffer.from('k'), value: Buffer.alloc(1_573_000, 1) }
  expect(await client.call('KV/Put', 'PutRequest', 'PutResponse', put)).toEqual({
    ok: false,
    code: 3,
    text: 'etcdserver: request is too large',
  })
  const small = { key: Buffer.from('k'), value: Buffer.from('v') }
  expect(await client.call('KV/Put', 'PutRequest', 'PutResponse', small)).toMatchObject({ ok: true })
})

it('refuses a watch that says nothing sensible, with its status', async () => {
  const watch = new RawWatch(client)
  watch.sendBytes(Buffer.from([0x0a, 0xff]))
  expect(await watch.ended).toMatchObject({ code: 13 })
})

it('answers what is no gRPC with 415', async () => {
  const session = connect(`http://${cluster.addresses[0]}`)
  const stream = session.request({ ':path': '/', ':method': 'GET' })
  const status = await new Promise((resolve) =>
    stream.on('response', (headers) => resolve(headers[':status'])),
  )
  session.destroy()
  expect(status).toBe(415)
})

it('answers who waits no longer, in a stream too, and what came too late does no harm', async () => {
  const exceeded = { code: 4, text: 'context deadline exceeded' }
  const unary = client.open('KV/Range', { 'grpc-timeout': '20m' })
  unary.resume()
  expect(await ended(unary)).toEqual(exceeded)
  const watch = new RawWatch(client, { 'grpc-timeout': '50000u' })
  watch.send({ createRequest: { key: Buffer.from('deadline') } })
  expect(await watch.ended).toEqual(exceeded)
  expect(watch.responses).toHaveLength(1)
  const patient = client.open('KV/Range', { 'grpc-timeout': '99999999H' })
  patient.resume().end(frame(Buffer.from([0x0a, 1, 0x6b])))
  expect(await ended(patient)).toMatchObject({ code: 0 })
})

it('says what is no POST, and tells gRPC from what only begins like it', async () => {
  const session = connect(`http://${cluster.addresses[0]}`)
  const status = (method: string, type: string) =>
    new Promise((resolve) => {
      const path = '/etcdserverpb.KV/Range'
      const stream = session.request({ ':path': path, ':method': method, 'content-type': type })
      stream.on('response', (headers) => resolve(headers[':status']))
      stream.on('error', () => undefined)
      stream.end()
    })
  expect(await status('GET', 'application/grpc')).toBe(405)
  expect(await status('POST', 'application/grpc-web')).toBe(415)
  expect(await status('POST', 'application/grpc+proto')).toBe(200)
  session.destroy()
})

it('says little of a long name that it does not know', async () => {
  const { code, text } = await statusOf(`KV/${'x'.repeat(30_000)}`, frame(Buffer.alloc(0)))
  expect(code).toBe(12)
  expect(text.length).toBeLessThanOrEqual(1024)
})
