/**
 * A process that watches the keys of the benchmark through several members, many times each, and counts events without reading them: it is
 * told how many each watcher is to get (a `WatchOrder` as JSON). Prints `watching` once all watch, and a `WatchResult` as JSON once all
 * have them.
 */
import { FrameReader, frame } from '../../../edges/etcd/frames.ts'
import { encode } from '../../../edges/etcd/messages.ts'
import { RawClient } from '../../../edges/etcd/testing/client.ts'
import { keyRange } from './keys.ts'
import { eventsIn } from './watch_events.ts'
import type { WatchOrder, WatchResult } from './watches.ts'

const MESSAGE_BYTES_MAX = 64 << 20
const WATCHERS_PER_CONNECTION = 32

const order = JSON.parse(process.argv[2] ?? '') as WatchOrder

/** Resolves with when the last of its events came. */
function watch(client: RawClient, created: () => void): Promise<number> {
  const { promise, resolve, reject } = Promise.withResolvers<number>()
  const stream = client.open('Watch/Watch')
  const reader = new FrameReader(MESSAGE_BYTES_MAX)
  let events = -1
  stream.on('data', (chunk: Buffer) => {
    for (const message of reader.take(chunk)) {
      if (events === -1) {
        events = 0
        created()
      }
      events += eventsIn(message)
    }
    if (events > order.events) reject(new Error(`a watcher got ${events} events, not ${order.events}`))
    else if (events === order.events) resolve(Date.now())
  })
  stream.on('close', () => reject(new Error(`a watch ended after ${events} events`)))
  stream.write(frame(encode('WatchRequest', { createRequest: keyRange })))
  return promise
}

const clients: RawClient[] = []
const watching: Promise<number>[] = []
const created: Promise<void>[] = []
for (let index = 0; index < order.watchers; index++) {
  const round = Math.floor(index / order.addresses.length)
  const place = index % order.addresses.length
  const at = Math.floor(round / WATCHERS_PER_CONNECTION) * order.addresses.length + place
  const client = (clients[at] ??= new RawClient(order.addresses[place] ?? ''))
  const { promise, resolve } = Promise.withResolvers<void>()
  created.push(promise)
  watching.push(watch(client, resolve))
}
const all = Promise.all(watching)
await Promise.race([Promise.all(created), all])
process.stdout.write('watching\n')
const ends = await all
const result: WatchResult = { events: order.watchers * order.events, ended_at_ms: Math.max(...ends) }
process.stdout.write(`${JSON.stringify(result)}\n`)
process.exit(0)
