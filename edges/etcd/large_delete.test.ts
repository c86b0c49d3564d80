import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import { afterEach, expect, it } from 'vitest'
import { ROWS_AT_ONCE } from '../../domains/kv/sweep.ts'
import { until } from '../testing/until.ts'
import { type Answer, RawClient, RawWatch } from './testing/client.ts'
import { TestCluster, type TestNode } from './testing/nodes.ts'
import { plain } from './testing/normal.ts'

const KEYS = 20 * ROWS_AT_ONCE
const TOGETHER = 120
const run = promisify(execFile)

let cluster: TestCluster
const clients: RawClient[] = []

afterEach(async () => {
  for (const client of clients.splice(0)) client[Symbol.dispose]()
  await cluster?.[Symbol.asyncDispose]()
  expect(cluster.faults).toEqual([])
})

function clientOf({ address }: TestNode): RawClient {
  const client = new RawClient(address)
  clients.push(client)
  return client
}

const prefix = { key: Buffer.from('d/'), rangeEnd: Buffer.from('d0') }

function message(answer: Answer): Record<string, unknown> {
  if (!answer.ok) throw new Error(answer.text)
  return answer.message
}

async function fill(client: RawClient, count: number, lease = 0): Promise<void> {
  let next = 0
  const writer = async (): Promise<void> => {
    while (next < count) {
      const from = next
      next += TOGETHER
      const success = Array.from({ length: Math.min(TOGETHER, count - from) }, (_, at) => {
        const key = Buffer.from(`d/${String(from + at).padStart(6, '0')}`)
        return { requestPut: { key, value: Buffer.from('v'), lease } }
      })
      message(await client.call('KV/Txn', 'TxnRequest', 'TxnResponse', { success }))
    }
  }
  await Promise.all(Array.from({ length: 8 }, writer))
}

async function count(client: RawClient): Promise<number> {
  const fields = { ...prefix, countOnly: true }
  return Number(message(await client.call('KV/Range', 'RangeRequest', 'RangeResponse', fields))['count'])
}

interface Shown {
  readonly header: { readonly revision: string }
  readonly kvs: readonly object[]
}

async function get(client: RawClient, key: string): Promise<Shown> {
  const answer = await client.call('KV/Range', 'RangeRequest', 'RangeResponse', { key: Buffer.from(key) })
  return plain(message(answer)) as Shown
}

async function call(client: RawClient, method: string, fields: object): Promise<void> {
  message(await client.call(`Lease/${method}`, `${method}Request`, `${method}Response`, fields))
}

/** How many events of which revisions a watch was told of, by type. */
function told(watch: RawWatch): readonly string[] {
  const counts = new Map<string, number>()
  for (const response of watch.responses) {
    const { events = [] } = plain(response) as {
      readonly events?: readonly { readonly type?: number; readonly kv: { readonly modRevision: string } }[]
    }
    for (const { type, kv } of events) {
      const name = `${type === 1 ? 'deleted' : 'put'} at ${kv.modRevision}`
      counts.set(name, (counts.get(name) ?? 0) + 1)
    }
  }
  return [...counts].map(([name, times]) => `${times} ${name}`)
}

it('deletes very many keys in one revision, while other keys are read and written through every member', async () => {
  cluster = await TestCluster.start(3)
  const leader = await cluster.leader()
  const followers = cluster.nodes.filter((node) => node !== leader)
  const [first, second] = followers.map(clientOf) as [RawClient, RawClient]
  await fill(first, KEYS)
  const watch = new RawWatch(second)
  const startRevision = Number((await get(first, 'd/')).header.revision) + 1
  watch.send({ createRequest: { ...prefix, startRevision } })
  await until('the watch', () => watch.responses.length === 1)
  const { term } = leader.log.status()
  const over = new AbortController()
  const other = async (node: TestNode): Promise<readonly Answer[]> => {
    const client = clientOf(node)
    const answers: Answer[] = []
    while (!over.signal.aborted) {
      const fields = { key: Buffer.from(`e/${node.address}`), value: Buffer.from(String(answers.length)) }
      answers.push(await client.call('KV/Put', 'PutRequest', 'PutResponse', fields))
    }
    return answers
  }
  const others = cluster.nodes.map(other)
  const { stdout } = await run('etcdctl', [`--endpoints=${followers[0]?.address}`, 'del', 'd/', '--prefix'], {
    env: { ...process.env, ETCDCTL_API: '3' },
  })
  expect(stdout.trim()).toBe(String(KEYS))
  for (const client of [first, second]) expect(await count(client)).toBe(0)
  over.abort()
  const answers = (await Promise.all(others)).flat()
  expect(answers.filter(({ ok }) => !ok)).toEqual([])
  expect(leader.log.status()).toMatchObject({ term, leader: leader.log.status().memberId })
  await until('the events', () => told(watch).length > 0)
  expect(told(watch)).toEqual([expect.stringMatching(new RegExp(`^${KEYS} deleted at `))])
  watch.close()
}, 120_000)

it('goes on with another leader when the one that began is gone, and tells all of it on asking', async () => {
  cluster = await TestCluster.start(3)
  const leader = await cluster.leader()
  const client = clientOf(leader)
  await fill(client, KEYS)
  const fields = { ...prefix, prevKv: true }
  const answer = plain(
    message(await client.call('KV/DeleteRange', 'DeleteRangeRequest', 'DeleteRangeResponse', fields)),
  ) as { readonly deleted: string; readonly prevKvs: readonly object[] }
  expect([answer.deleted, answer.prevKvs.length]).toEqual([String(KEYS), KEYS])
  await leader.stop()
  expect(await count(clientOf(await cluster.leader()))).toBe(0)
}, 120_000)

it('takes very many keys with a lease that expires, and keeps all others', async () => {
  cluster = await TestCluster.start(3, { electionMilliseconds: 200 })
  const leader = await cluster.leader()
  const client = clientOf(leader)
  const lease = { ID: 77, TTL: 2 }
  await call(client, 'LeaseGrant', lease)
  const alive = setInterval(() => void call(client, 'LeaseKeepAlive', { ID: lease.ID }), 300)
  await fill(client, KEYS / 2, lease.ID).finally(() => clearInterval(alive))
  const fields = { key: Buffer.from('d/kept'), value: Buffer.from('v') }
  message(await client.call('KV/Put', 'PutRequest', 'PutResponse', fields))
  for (let left = KEYS; left > 1; ) left = await count(client)
  expect((await get(client, 'd/kept')).kvs).toHaveLength(1)
}, 120_000)
