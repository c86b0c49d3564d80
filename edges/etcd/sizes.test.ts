import { afterAll, beforeAll, expect, it } from 'vitest'
import { RawClient } from './testing/client.ts'
import { TestCluster } from './testing/nodes.ts'
import { normal } from './testing/normal.ts'
import { RealEtcd } from './testing/real_etcd.ts'

const LARGEST = 1.5 * 1024 * 1024

let etcd: RealEtcd
let cluster: TestCluster
let theirs: RawClient
let ours: RawClient

beforeAll(async () => {
  etcd = await RealEtcd.start()
  cluster = await TestCluster.start(3)
  theirs = new RawClient(etcd.address)
  ours = new RawClient((await cluster.leader()).address)
})

afterAll(async () => {
  theirs?.[Symbol.dispose]()
  ours?.[Symbol.dispose]()
  await cluster?.[Symbol.asyncDispose]()
  await etcd?.[Symbol.asyncDispose]()
  expect(cluster.faults).toEqual([])
})

/** The same by both, compared. */
async function both(method: string, message: string, fields: object): Promise<unknown> {
  const [request, response] = [`${message}Request`, `${message}Response`]
  const found = normal(await ours.call(method, request, response, fields))
  expect(found).toEqual(normal(await theirs.call(method, request, response, fields)))
  return found
}

it('takes values as large as etcd does, whatever bytes they hold, and refuses larger ones in its words', async () => {
  const key = Buffer.from('large')
  for (const byte of [0, 0x61, 0xff]) {
    for (const length of [LARGEST - 60, LARGEST])
      await both('KV/Put', 'Put', { key, value: Buffer.alloc(length, byte), prevKv: true })
    expect(await both('KV/Range', 'Range', { key })).toMatchObject({ count: '1' })
  }
  const put = { requestPut: { key, value: Buffer.alloc(LARGEST - 80, 7) } }
  await both('KV/Txn', 'Txn', { success: [put] })
  const twice = [put, { requestPut: { key: Buffer.from('more'), value: Buffer.alloc(80, 7) } }]
  expect(await both('KV/Txn', 'Txn', { success: twice })).toMatchObject({ ok: false })
  expect(await both('KV/Range', 'Range', { key, revision: 3 })).toMatchObject({ count: '1' })
})

it('answers ranges of many keys as etcd does, in whatever order, and of keys alone', {
  timeout: 60_000,
}, async () => {
  const count = 3000
  for (let from = 0; from < count; from += 100) {
    const success = Array.from({ length: 100 }, (_, at) => {
      const name = `${from + at}`
      const value = Buffer.concat([Buffer.from(name), Buffer.alloc((from + at) % 700, at)])
      return { requestPut: { key: Buffer.from(`many/${name}`), value } }
    })
    await both('KV/Txn', 'Txn', { success })
  }
  const all = { key: Buffer.from('many/'), rangeEnd: Buffer.from('many0') }
  for (const fields of [
    all,
    { ...all, keysOnly: true },
    { ...all, serializable: true },
    { ...all, sortOrder: 2, sortTarget: 4 },
    { ...all, limit: 1000 },
    { ...all, minModRevision: 10 },
    { ...all, revision: 20 },
  ])
    expect(await both('KV/Range', 'Range', fields)).toHaveProperty('kvs')
  const leader = await cluster.leader()
  const follower = cluster.nodes.find((node) => node !== leader)
  if (follower === undefined) throw new Error('there is no follower')
  using client = new RawClient(follower.address)
  const range = ['KV/Range', 'RangeRequest', 'RangeResponse', all] as const
  expect(normal(await client.call(...range))).toEqual(normal(await ours.call(...range)))
})
