import { afterAll, beforeAll, expect, it } from 'vitest'
import { RawClient } from './testing/client.ts'
import { TestCluster } from './testing/nodes.ts'

const KEYS = 3000
const TOGETHER = 120

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

interface Shown {
  readonly header: { readonly revision: unknown }
  readonly kvs: readonly { readonly key: Buffer; readonly modRevision: unknown }[]
  readonly more: boolean
  readonly count: unknown
}

const nameOf = (number: number): Buffer => Buffer.from(`large/${String(number).padStart(5, '0')}`)
const prefix = { key: Buffer.from('large/'), rangeEnd: Buffer.from('large0') }

async function ask(method: string, request: string, response: string, fields: object): Promise<unknown> {
  const answer = await client.call(method, request, response, fields)
  if (!answer.ok) throw new Error(answer.text)
  return answer.message
}

const range = async (fields: object): Promise<Shown> =>
  (await ask('KV/Range', 'RangeRequest', 'RangeResponse', { ...prefix, ...fields })) as Shown

async function put(numbers: readonly number[], value: string): Promise<void> {
  const success = numbers.map((number) => ({
    requestPut: { key: nameOf(number), value: Buffer.from(value) },
  }))
  await ask('KV/Txn', 'TxnRequest', 'TxnResponse', { success })
}

const text = (shown: Shown): string => JSON.stringify([shown.kvs, shown.count, shown.more])

it('shows many keys as they were at one revision, while they are written', { timeout: 60_000 }, async () => {
  for (let at = 0; at < KEYS; at += TOGETHER)
    await put(
      Array.from({ length: TOGETHER }, (_, number) => at + number),
      'first',
    )
  const writing = new AbortController()
  const writer = (async () => {
    for (let round = 0; !writing.signal.aborted; round++) {
      const numbers = Array.from({ length: TOGETHER }, (_, number) => (round * 7 + number * 50) % KEYS)
      await put([...new Set(numbers)], `round ${round}`)
      await ask('KV/DeleteRange', 'DeleteRangeRequest', 'DeleteRangeResponse', { key: nameOf(round % KEYS) })
    }
  })()
  try {
    for (let asked = 0; asked < 4; asked++) {
      const [all, ascending, descending, limited] = await Promise.all([
        range({}),
        range({ sortOrder: 1, sortTarget: 0 }),
        range({ sortOrder: 2, sortTarget: 2, limit: 1500 }),
        range({ limit: 2000 }),
      ])
      for (const shown of [all, ascending, descending, limited]) {
        const revision = String(shown.header.revision)
        expect(shown.kvs.every(({ modRevision }) => Number(modRevision) <= Number(revision))).toBe(true)
      }
      expect(all.kvs).toHaveLength(Number(all.count))
      expect([descending.kvs.length, descending.more]).toEqual([1500, true])
      expect([limited.kvs.length, limited.more]).toEqual([2000, true])
      const past = await range({ revision: all.header.revision })
      expect(text(all)).toBe(text(past))
      const pastLimited = await range({ revision: limited.header.revision, limit: 2000 })
      expect(text(limited)).toBe(text(pastLimited))
    }
  } finally {
    writing.abort()
    await writer
  }
})
