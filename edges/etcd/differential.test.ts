import fc from 'fast-check'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { RawClient } from './testing/client.ts'
import { TestCluster } from './testing/nodes.ts'
import { normal } from './testing/normal.ts'
import { absolute, anyCall, type Call, leases } from './testing/operations.ts'
import { ELECTION_MS, RealEtcd } from './testing/real_etcd.ts'

const SEEDS = 60
const CALLS = 80

let etcd: RealEtcd
let cluster: TestCluster
let theirs: RawClient
let ours: RawClient

beforeAll(async () => {
  etcd = await RealEtcd.start()
  cluster = await TestCluster.start(1, { electionMilliseconds: ELECTION_MS })
  theirs = new RawClient(etcd.address)
  ours = new RawClient(cluster.addresses[0] as string)
})

afterAll(async () => {
  theirs?.[Symbol.dispose]()
  ours?.[Symbol.dispose]()
  await cluster?.[Symbol.asyncDispose]()
  await etcd?.[Symbol.asyncDispose]()
  expect(cluster.faults).toEqual([])
})

/** Times differ; the order of leases and of the keys attached to one is not promised. */
function comparable({ method }: Call, answer: unknown): unknown {
  const fields = answer as { TTL?: string; keys?: string[]; leases?: { ID: string }[] }
  if (method === 'Lease/LeaseTimeToLive' && Number(fields.TTL) > 0)
    return { ...fields, TTL: 'some', keys: fields.keys?.toSorted() }
  if (method === 'Lease/LeaseLeases')
    return { ...fields, leases: fields.leases?.map(({ ID }) => ID).toSorted() }
  return answer
}

async function revisionOf(client: RawClient): Promise<number> {
  const answer = await client.call('KV/Range', 'RangeRequest', 'RangeResponse', { key: Buffer.from('x') })
  if (!answer.ok) throw new Error(answer.text)
  return Number((answer.message['header'] as { revision: unknown }).revision)
}

/** Makes both empty: a seed then stands for itself. */
async function clear(client: RawClient): Promise<void> {
  const everything = { key: Buffer.from('\0'), rangeEnd: Buffer.from('\0') }
  await client.call('KV/DeleteRange', 'DeleteRangeRequest', 'DeleteRangeResponse', everything)
  for (const ID of leases)
    await client.call('Lease/LeaseRevoke', 'LeaseRevokeRequest', 'LeaseRevokeResponse', { ID })
}

it('the same calls give the same answers as a real etcd', { timeout: 80_000 }, async () => {
  for (let seed = 1; seed <= SEEDS; seed++) {
    await clear(theirs)
    await clear(ours)
    for (const [index, call] of fc.sample(anyCall, { seed, numRuns: CALLS }).entries()) {
      const { method, request, response } = call
      const fields = absolute(call.fields, await revisionOf(theirs)) as object
      const expected = normal(await theirs.call(method, request, response, fields))
      const found = normal(await ours.call(method, request, response, fields))
      const what = `call ${index} of seed ${seed}: ${method} ${JSON.stringify(fields)}`
      expect(comparable(call, found), what).toEqual(comparable(call, expected))
    }
  }
})
