import { afterEach, beforeEach, expect, it } from 'vitest'
import { until } from '../testing/until.ts'
import { RawClient, RawWatch } from './testing/client.ts'
import { HeldHistory } from './testing/held_history.ts'
import { TestCluster } from './testing/nodes.ts'
import { plain } from './testing/normal.ts'

/** A new store is at revision 1. */
const FIRST = 2
const ALL_WATCHES = '-1'

interface Response {
  readonly watchId?: string
  readonly created?: boolean
  readonly canceled?: boolean
  readonly header: { readonly revision: string }
  readonly events?: readonly { readonly kv: { readonly key: string } }[]
}

let cluster: TestCluster
let client: RawClient
let watch: RawWatch
let history: HeldHistory

beforeEach(async () => {
  cluster = await TestCluster.start(1)
  const node = await cluster.leader()
  client = new RawClient(node.address)
  watch = new RawWatch(client)
  history = new HeldHistory(node)
})

afterEach(async () => {
  history.open()
  watch.close()
  client[Symbol.dispose]()
  await cluster[Symbol.asyncDispose]()
})

async function put(...entries: readonly (readonly [key: string, value: string])[]): Promise<void> {
  const success = entries.map(([key, value]) => ({
    requestPut: { key: Buffer.from(key), value: Buffer.from(value) },
  }))
  expect(await client.call('KV/Txn', 'TxnRequest', 'TxnResponse', { success })).toMatchObject({ ok: true })
}

function create(key: string, startRevision: number, more: object = {}): void {
  watch.send({ createRequest: { key: Buffer.from(key), startRevision, ...more } })
}

const responses = (): readonly Response[] => watch.responses.map((response) => plain(response) as Response)

/** What the stream told, in order: a watch by its id. */
function told(): readonly string[] {
  return responses().map(({ watchId = '0', created, canceled, events }) => {
    if (watchId === ALL_WATCHES) return 'progress'
    if (created === true) return `${watchId} created`
    return canceled === true
      ? `${watchId} canceled`
      : `${watchId} ${events === undefined ? 'progress' : 'events'}`
  })
}

it('is not told ahead of what a watch misses that began while others were waited for', async () => {
  await put(['a', '1'])
  await put(['b', '1'])
  create('a', FIRST)
  await until('the first watch reads the history', () => history.size === 1)
  watch.send({ progressRequest: {} })
  create('b', FIRST)
  await until('so does the second one', () => history.size === 2)
  history.next()
  await until('the first watch is served', () => told().includes('0 events'))
  history.open()
  await until('progress', () => told().includes('progress'))
  expect(told()).toEqual(['0 created', '1 created', '0 events', '1 events', 'progress'])
})

it('is not told by a stream that ends because one of its watches cannot go on', async () => {
  await put(['a', '1'])
  create('a', FIRST)
  await until('the watch reads the history', () => history.size === 1)
  watch.send({ progressRequest: {} })
  create('b', 0)
  await until('the second watch', () => told().includes('1 created'))
  history.next(new Error('the history is gone'))
  await watch.ended
  expect(told()).toEqual(['0 created', '1 created'])
})

it('is not told to a watch that begins later', async () => {
  await put(['a', '1'])
  create('a', FIRST + 100)
  watch.send({ progressRequest: {} })
  watch.send({ cancelRequest: { watchId: 0 } })
  await until('the end of the watch', () => told().includes('0 canceled'))
  watch.send({ progressRequest: {} })
  await until('progress', () => told().includes('progress'))
  expect(told()).toEqual(['0 created', '0 canceled', 'progress'])
})

it('nothing is told of a watch after its end, though its client was slow: its id may be in use again', async () => {
  const large = 'x'.repeat(450_000)
  const keys = ['a', 'b', 'c'] as const
  for (let times = 0; times < 2; times++) await put(...keys.map((key): [string, string] => [key, large]))
  history.open()
  create('a', FIRST + 1, { rangeEnd: Buffer.from('d'), prevKv: true, fragment: true })
  watch.pause()
  await until('the watch is being served', () => history.answered === 1)
  watch.send({ cancelRequest: { watchId: 0 } })
  create('later', 0, { watchId: 7 })
  watch.resume()
  await until('what follows', () => told().includes('7 created'))
  await put(['later', '1'])
  await until('its event', () => told().includes('7 events'))
  const end = told().indexOf('0 canceled')
  expect(end).toBeGreaterThan(0)
  expect(
    told()
      .slice(end)
      .filter((text) => text.startsWith('0 ')),
  ).toEqual(['0 canceled'])
})
