import { afterAll, beforeAll, beforeEach, expect, it } from 'vitest'
import { until } from '../testing/until.ts'
import { RawClient, RawWatch } from './testing/client.ts'
import { HeldHistory } from './testing/held_history.ts'
import { TestCluster } from './testing/nodes.ts'
import { plain } from './testing/normal.ts'

/** The history answers with 1000 events: the put that comes after the deletions is alone in its answer. */
const KEYS = 2000
const TOGETHER = 100
const VALUE = 'v'.repeat(300)
const interval = { key: Buffer.from('d/'), rangeEnd: Buffer.from('f') }

let cluster: TestCluster
let client: RawClient
/** Deletes all keys, and puts one. */
let revision: number

interface Event {
  readonly type?: number
  readonly kv: { readonly key: string; readonly modRevision: string }
  readonly prevKv?: { readonly value: string }
}

interface Response {
  readonly watchId?: string
  readonly canceled?: boolean
  readonly compactRevision?: string
  readonly fragment?: boolean
  readonly events?: readonly Event[]
}

async function txn(operations: readonly object[]): Promise<number> {
  const answer = await client.call('KV/Txn', 'TxnRequest', 'TxnResponse', { success: operations })
  expect(answer).toMatchObject({ ok: true })
  return Number((plain(answer) as { message: { header: { revision: string } } }).message.header.revision)
}

const put = (key: string) => ({ requestPut: { key: Buffer.from(key), value: Buffer.from(VALUE) } })

const responsesOf = (watch: RawWatch): readonly Response[] =>
  watch.responses.map((each) => plain(each) as Response)
const eventsOf = (watch: RawWatch): readonly Event[] =>
  responsesOf(watch).flatMap(({ events = [] }) => events)

beforeAll(async () => {
  cluster = await TestCluster.start(1)
  client = new RawClient(cluster.addresses[0] as string)
})

afterAll(async () => {
  client?.[Symbol.dispose]()
  await cluster?.[Symbol.asyncDispose]()
  expect(cluster.faults).toEqual([])
})

beforeEach(async () => {
  for (let at = 0; at < KEYS; at += TOGETHER)
    await txn(Array.from({ length: TOGETHER }, (_, number) => put(`d/${at + number}`)))
  revision = await txn([{ requestDeleteRange: { key: interval.key, rangeEnd: Buffer.from('d0') } }, put('e')])
})

it('is told of in one message, with all that was before', async () => {
  const watch = new RawWatch(client)
  watch.send({ createRequest: { ...interval, startRevision: revision, prevKv: true } })
  await until('the events', () => eventsOf(watch).length > 0)
  const [, told, ...more] = responsesOf(watch)
  expect(more).toEqual([])
  const events = told?.events ?? []
  const deleted = events.filter(({ type }) => type === 1)
  expect(new Set(deleted.map(({ kv }) => kv.key)).size).toBe(KEYS)
  expect(events.map(({ kv }) => Number(kv.modRevision))).toEqual(Array(KEYS + 1).fill(revision))
  expect(new Set(deleted.map(({ prevKv }) => prevKv?.value)).size).toBe(1)
  watch.close()
})

it.each([
  ['all', [], KEYS + 1],
  ['no put, which is what comes last', [0], KEYS],
  ['no deletion', [1], 1],
])('is told of in fragments, of which only the last says so: %s', async (_, filters, count) => {
  const watch = new RawWatch(client)
  watch.send({ createRequest: { ...interval, startRevision: revision, fragment: true, filters } })
  await until('the last fragment', () => {
    const last = responsesOf(watch).at(-1)
    return watch.responses.length > 1 && last?.fragment !== true
  })
  const [, ...told] = responsesOf(watch)
  expect(eventsOf(watch)).toHaveLength(count)
  expect(told.filter(({ fragment }) => fragment !== true)).toHaveLength(1)
  watch.close()
})

it('comes whole to a slow client, which has another watch on that stream', async () => {
  const watch = new RawWatch(client)
  watch.send({ createRequest: { ...interval, startRevision: revision, prevKv: true } })
  watch.send({ createRequest: { key: Buffer.from('other') } })
  await until('both watches', () => watch.responses.length >= 2)
  watch.pause()
  for (let times = 0; times < 20; times++) await txn([put('other')])
  watch.resume()
  await until('all events', () => eventsOf(watch).length === KEYS + 1 + 20)
  const counts = responsesOf(watch).map(({ events = [] }) => events.length)
  expect(counts).toContain(KEYS + 1)
  expect(counts.filter((count) => count > 20)).toHaveLength(1)
  watch.close()
})

it('is told of not at all where the watch ends on the way: it is cancelled, or overtaken by a compaction', async () => {
  const node = await cluster.leader()
  const history = new HeldHistory(node)
  const [cancelled, overtaken] = [new RawWatch(client), new RawWatch(client)]
  const createRequest = { ...interval, startRevision: revision, watchId: 7 }
  cancelled.send({ createRequest })
  overtaken.send({ createRequest })
  await until('both read', () => history.size === 2)
  history.next()
  history.next()
  await until('both read on', () => history.answered === 2 && history.size === 2)
  cancelled.send({ cancelRequest: { watchId: 7 } })
  await until('its end', () => responsesOf(cancelled).some(({ canceled }) => canceled === true))
  cancelled.send({ createRequest: { key: Buffer.from('other'), watchId: 7 } })
  const later = await txn([put('other')])
  await client.call('KV/Compact', 'CompactionRequest', 'CompactionResponse', { revision: later })
  history.open()
  await until('the end of the other', () => responsesOf(overtaken).at(-1)?.canceled === true)
  expect(responsesOf(overtaken).at(-1)).toMatchObject({ compactRevision: String(later) })
  expect(eventsOf(overtaken)).toEqual([])
  await until('the event of the watch that took the id', () => eventsOf(cancelled).length > 0)
  expect(eventsOf(cancelled).map(({ kv }) => Number(kv.modRevision))).toEqual([later])
  cancelled.close()
  overtaken.close()
})
