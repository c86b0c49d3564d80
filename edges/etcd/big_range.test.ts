import { connect } from 'node:http2'
import { afterAll, beforeAll, expect, it } from 'vitest'
import type { KeyValue } from '../../domains/kv/model.ts'
import { until } from '../testing/until.ts'
import { type Parts, rangeAnswer } from './big_range.ts'
import { HEAD_BYTES } from './frames.ts'
import { decodeAny } from './messages.ts'
import { RpcServer } from './server.ts'
import { ended } from './testing/client.ts'
import { normal, plain } from './testing/normal.ts'
import { direct } from './unary_call.ts'

const PATH = '/test.Ranges/Big'
const COUNT = 20_000
const header = { start: Buffer.alloc(0), raftTerm: 3 }
const kvs = Array.from({ length: COUNT }, (_, at): KeyValue => {
  const key = `key/${String(at).padStart(8, '0')}`
  const lease = at % 3 === 0 ? String(at * 2 ** 20) : at % 5 === 0 ? '-7' : '0'
  return {
    key,
    value: '\xff'.repeat(at % 1000),
    createRevision: at + 1,
    modRevision: at + 2,
    version: 1,
    lease,
  }
})
const answer = { revision: 5, kvs, more: true, count: 70_000 }

let server: RpcServer
/** Of the answer that is on its way: the parts that were made. */
let made = 0
let finished = false

async function* counted(parts: Parts): Parts {
  made = 0
  finished = false
  try {
    for await (const part of parts) {
      made++
      yield part
    }
  } finally {
    finished = true
  }
}

beforeAll(async () => {
  const method = direct(async () => counted(rangeAnswer(header, answer, false) as Parts))
  const methods = { unary: new Map([[PATH, method]]), streaming: new Map() }
  server = await RpcServer.start(methods, { host: '127.0.0.1', port: 0 }, undefined, () => undefined)
})

afterAll(async () => {
  await server?.close(100)
})

function call(windowBytes: number) {
  const session = connect(`http://127.0.0.1:${server.port}`, { settings: { initialWindowSize: windowBytes } })
  session.on('error', () => undefined)
  const headers = { ':method': 'POST', ':path': PATH, 'content-type': 'application/grpc', te: 'trailers' }
  const stream = session.request(headers)
  stream.on('error', () => undefined)
  stream.end(Buffer.alloc(HEAD_BYTES))
  return { session, stream }
}

it('is one message, whatever the parts in which it came', async () => {
  const { session, stream } = call(100_000)
  const chunks: Buffer[] = []
  stream.on('data', (chunk: Buffer) => chunks.push(chunk))
  expect(await ended(stream)).toEqual({ code: 0, text: '' })
  session.destroy()
  const bytes = Buffer.concat(chunks)
  expect(bytes.readUInt32BE(1)).toBe(bytes.length - HEAD_BYTES)
  const found = decodeAny('RangeResponse', bytes.subarray(HEAD_BYTES))
  expect(normal({ ok: true, message: found })).toMatchObject({ count: '70000', more: true })
  const read = plain(found['kvs']) as Record<string, string>[]
  expect(read.map(({ key, value = '', lease = '0' }) => ({ key, value, lease }))).toEqual(
    kvs.map(({ key, value, lease }) => ({ key, value, lease })),
  )
})

it('is made no faster than a slow client takes it, and no further once the client is gone', async () => {
  const { session, stream } = call(1000)
  stream.pause()
  await until('the first parts', () => made >= 2)
  const soon = performance.now() + 200
  await until('some time', () => performance.now() > soon)
  expect(made).toBeLessThan(4)
  session.destroy()
  await until('the end of it', () => finished)
  expect(made).toBeLessThan(5)
})

it('lets other things happen in between', async () => {
  let turns = 0
  const parts: number[] = []
  const timer = setInterval(() => turns++, 0)
  for await (const part of rangeAnswer(header, answer, false) as Parts) parts.push(part.length)
  clearInterval(timer)
  expect(turns).toBeGreaterThan(5)
  expect(parts.length).toBeGreaterThan(COUNT / 512)
  expect(Math.max(...parts)).toBeLessThan(600_000)
})
