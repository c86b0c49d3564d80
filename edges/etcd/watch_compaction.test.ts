import { expect, it } from 'vitest'
import { until } from '../testing/until.ts'
import { RawClient, RawWatch } from './testing/client.ts'
import { HeldHistory } from './testing/held_history.ts'
import { TestCluster } from './testing/nodes.ts'
import { plain } from './testing/normal.ts'

/** The history answers with 1000 events: it takes two answers. */
const REVISIONS = 15
const KEYS = 100
/** A new store is at revision 1. */
const FIRST = 2

interface Response {
  readonly canceled?: boolean
  readonly compactRevision?: string
  readonly events?: readonly { readonly kv: { readonly modRevision: string } }[]
}

it('a watch that a compaction overtakes is told so, and no event after one that it has missed', async () => {
  await using cluster = await TestCluster.start(1)
  const node = await cluster.leader()
  using client = new RawClient(node.address)
  const success = Array.from({ length: KEYS }, (_, at) => ({ requestPut: { key: Buffer.from(`k${at}`) } }))
  for (let times = 0; times < REVISIONS; times++)
    expect(await client.call('KV/Txn', 'TxnRequest', 'TxnResponse', { success })).toMatchObject({ ok: true })
  const last = FIRST + REVISIONS - 1
  const history = new HeldHistory(node)
  const watch = new RawWatch(client)
  const createRequest = { key: Buffer.from('k'), rangeEnd: Buffer.from('l'), startRevision: FIRST }
  watch.send({ createRequest })
  await until('the watch reads the history', () => history.size === 1)
  history.next()
  await until('it reads on', () => history.answered === 1 && history.size === 1)
  const compaction = { revision: last }
  expect(
    await client.call('KV/Compact', 'CompactionRequest', 'CompactionResponse', compaction),
  ).toMatchObject({ ok: true })
  history.open()
  const responses = (): readonly Response[] => watch.responses.map((each) => plain(each) as Response)
  await until('its end', () => responses().some(({ canceled }) => canceled === true))
  expect(responses().at(-1)).toMatchObject({ canceled: true, compactRevision: String(last) })
  const told = responses().flatMap(({ events = [] }) => events.map(({ kv }) => Number(kv.modRevision)))
  expect([...new Set(told)]).toEqual(Array.from({ length: 10 }, (_, at) => FIRST + at))
  expect(told).toHaveLength(10 * KEYS)
  watch.close()
  expect(cluster.faults).toEqual([])
})
