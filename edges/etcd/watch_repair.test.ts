import { join } from 'node:path'
import { ClassicLevel } from 'classic-level'
import { expect, it } from 'vitest'
import { until } from '../testing/until.ts'
import { RawClient, RawWatch } from './testing/client.ts'
import { HeldHistory } from './testing/held_history.ts'
import { TestCluster } from './testing/nodes.ts'
import { plain } from './testing/normal.ts'

const KEYS = 20
const DAMAGED = 'k7'
/** A new store is at revision 1. */
const FIRST = 2

interface Response {
  readonly header: { readonly revision: string }
  readonly events?: readonly { readonly kv: { readonly modRevision: string } }[]
}

const put = (client: RawClient, key: string, value: string) =>
  client.call('KV/Put', 'PutRequest', 'PutResponse', { key: Buffer.from(key), value: Buffer.from(value) })

async function damage(directory: string): Promise<void> {
  const database = new ClassicLevel(join(directory, 'rows'))
  await database.open()
  const row = `disk\0kv.keys\0${DAMAGED}`
  const written = await database.get(row)
  if (written === undefined) throw new Error(`there is no row ${DAMAGED}`)
  await database.put(row, written.replace('before', 'beside'))
  await database.close()
}

it('a watch that lags while its member makes all rows anew is told each revision once, in order', async () => {
  const cluster = await TestCluster.start(1)
  try {
    const first = await cluster.leader()
    using before = new RawClient(first.address)
    for (let number = 0; number < KEYS; number++) await put(before, `k${number}`, 'before')
    await first.stop()
    await damage(cluster.directoryOf(1))
    const node = await cluster.startNode(1)
    await cluster.leader()
    using client = new RawClient(node.address)
    const history = new HeldHistory(node)
    const watch = new RawWatch(client)
    const createRequest = { key: Buffer.from('k'), rangeEnd: Buffer.from('l'), startRevision: FIRST }
    watch.send({ createRequest })
    await until('the watch reads the history', () => history.size > 0)
    expect(await put(client, 'k-live', '')).toMatchObject({ ok: true })
    expect(await put(client, DAMAGED, 'after')).toMatchObject({ ok: false })
    await until('the rows are made anew', () => node.platform.repaired !== undefined && node.platform.leading)
    expect(await put(client, 'k-last', '')).toMatchObject({ ok: true })
    history.open()
    const responses = (): readonly Response[] =>
      watch.responses.map((response) => plain(response) as Response)
    const told = (): readonly number[] =>
      responses().flatMap(({ events = [] }) => events.map(({ kv }) => Number(kv.modRevision)))
    const last = FIRST + KEYS + 1
    await until('the last event', () => told().includes(last) || cluster.faults.length > 0)
    expect(told()).toEqual(Array.from({ length: KEYS + 2 }, (_, at) => FIRST + at))
    for (const { header, events = [] } of responses())
      for (const { kv } of events) expect(Number(kv.modRevision)).toBeLessThanOrEqual(Number(header.revision))
    expect(cluster.faults).toEqual([])
    watch.close()
  } finally {
    await cluster[Symbol.asyncDispose]()
  }
}, 60_000)
