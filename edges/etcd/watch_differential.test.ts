import { isDeepStrictEqual } from 'node:util'
import fc from 'fast-check'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { until } from '../testing/until.ts'
import { RawClient, RawWatch } from './testing/client.ts'
import { TestCluster } from './testing/nodes.ts'
import { plain } from './testing/normal.ts'
import { absolute, anyCall, anyWatch, leases } from './testing/operations.ts'
import { ELECTION_MS, RealEtcd } from './testing/real_etcd.ts'

const SEEDS = 40
const CALLS = 40
const WATCHES = 6

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

interface Told {
  readonly created: readonly unknown[]
  readonly canceled: readonly unknown[]
  /** By watch: what it was told, however it was cut into responses. */
  readonly events: Readonly<Record<string, readonly unknown[]>>
}

interface Response {
  readonly watchId?: string
  readonly created?: boolean
  readonly canceled?: boolean
  readonly events?: readonly unknown[]
}

function told(watch: RawWatch): Told {
  const responses = watch.responses.map((response) => plain(response) as Response)
  const events: Record<string, unknown[]> = {}
  for (const { watchId = '0', events: some = [] } of responses) (events[watchId] ??= []).push(...some)
  return {
    created: responses.filter(({ created }) => created === true),
    canceled: responses
      .filter(({ canceled, created }) => canceled === true && created !== true)
      .toSorted((a, b) => Number(a.watchId ?? 0) - Number(b.watchId ?? 0)),
    events,
  }
}

async function revisionOf(client: RawClient): Promise<number> {
  const answer = await client.call('KV/Range', 'RangeRequest', 'RangeResponse', { key: Buffer.from('x') })
  if (!answer.ok) throw new Error(answer.text)
  return Number((answer.message['header'] as { revision: unknown }).revision)
}

async function act(method: string, request: string, response: string, fields: object): Promise<void> {
  const expected = await theirs.call(method, request, response, fields)
  expect((await ours.call(method, request, response, fields)).ok).toBe(expected.ok)
}

it('watches are told the same as by a real etcd', { timeout: 60_000 }, async () => {
  let events = 0
  for (let seed = 1; seed <= SEEDS; seed++) {
    for (const ID of leases)
      await act('Lease/LeaseRevoke', 'LeaseRevokeRequest', 'LeaseRevokeResponse', { ID })
    // At a put: of a deletion at the very revision that is compacted, etcd 3.4 tells nothing more.
    await act('KV/Put', 'PutRequest', 'PutResponse', { key: Buffer.from('compacted here') })
    await act('KV/Compact', 'CompactionRequest', 'CompactionResponse', { revision: await revisionOf(theirs) })
    // None while watches catch up: whether it overtakes one is a matter of timing, with etcd too.
    const calls = fc.sample(anyCall, { seed, numRuns: CALLS }).filter(({ method }) => method !== 'KV/Compact')
    const watches = fc.sample(anyWatch, { seed, numRuns: WATCHES })
    const both = [theirs, ours].map((client) => new RawWatch(client)) as [RawWatch, RawWatch]
    for (const [index, { method, request, response, fields }] of calls.entries()) {
      const present = await revisionOf(theirs)
      await act(method, request, response, absolute(fields, present) as object)
      if (index % 6 !== 0) continue
      const createRequest = absolute(watches[index / 6] ?? {}, await revisionOf(theirs)) as object
      for (const watch of both) watch.send({ createRequest })
      await until('both are there', () => both.every((watch) => told(watch).created.length > index / 6))
    }
    const same = (): boolean => isDeepStrictEqual(told(both[0]), told(both[1]))
    await until(`the same is told, seed ${seed}`, same).catch(() => undefined)
    const [expected, found] = both.map(told) as [Told, Told]
    expect(found, `seed ${seed}`).toEqual(expected)
    events += Object.values(found.events).flat().length
    for (const watch of both) watch.close()
  }
  expect(events).toBeGreaterThan(SEEDS * 10)
})
