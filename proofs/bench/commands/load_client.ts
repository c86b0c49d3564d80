/** A process that sends commands to one member: it is told what to do in its first argument, and prints a `LoadResult`, both as JSON. */

import { newCommandId } from '../../../domains/kernel/uuid.ts'
import { loadDomains } from '../../../domains/load.ts'
import { Api } from '../../../edges/grpc/api.ts'
import { ApiClient } from '../../../edges/grpc/client.ts'
import type { LoadOrder, LoadResult } from './load.ts'

/** Calls over one connection; the server takes no more than 256. */
const CALLS_PER_CONNECTION = 64

const order = JSON.parse(process.argv[2] ?? '') as LoadOrder
const api = new Api(await loadDomains())
const connections = Array.from(
  { length: Math.ceil(order.concurrency / CALLS_PER_CONNECTION) },
  () => new ApiClient(api, order.address, order.token),
)
let sent = 0

async function send(client: ApiClient): Promise<void> {
  const name = `${order.prefix}-${sent++}`
  const data = { project: order.project, zone: order.zone, name, type: 'A', values: ['192.0.2.1'] }
  await client.command({ type: 'dns.PutRecordSet', data, commandId: newCommandId() })
}

/** Every worker sends one command after the other, until `more` says that there are none. */
async function run(more: () => boolean, latencies: number[]): Promise<void> {
  const worker = async (index: number): Promise<void> => {
    const client = connections[index % connections.length] as ApiClient
    while (more()) {
      const began = performance.now()
      await send(client)
      latencies.push(performance.now() - began)
    }
  }
  await Promise.all(Array.from({ length: order.concurrency }, (_, index) => worker(index)))
}

const warmUntil = performance.now() + order.warm_up_ms
await run(() => performance.now() < warmUntil, [])
const latencies: number[] = []
const began = performance.now()
let left = order.commands
await run(() => left-- > 0 && performance.now() - began < order.duration_ms, latencies)
const seconds = (performance.now() - began) / 1000
latencies.sort((a, b) => a - b)
const at = (share: number): number => latencies[Math.floor((latencies.length - 1) * share)] ?? 0
const result: LoadResult = {
  commands: latencies.length,
  commands_per_second: latencies.length / seconds,
  latency_ms_p50: at(0.5),
  latency_ms_p99: at(0.99),
}
process.stdout.write(`${JSON.stringify(result)}\n`)
for (const connection of connections) connection.close()
