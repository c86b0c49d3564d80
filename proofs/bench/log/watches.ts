import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { RawClient } from '../../../edges/etcd/testing/client.ts'
import { put, settledRevision } from './keys.ts'
import { type Context, figureOf, type Measure } from './measure.ts'
import { alternate, leaderOf, type Subject } from './subject.ts'

const MEMBERS = 3
const WATCHERS = 300
const PUTS = 2_000
const PUTS_IN_FLIGHT = 64
const TIMEOUT_MS = 120_000

/** What a process that watches is told. */
export interface WatchOrder {
  /** Of the members, in turn. */
  readonly addresses: readonly string[]
  readonly watchers: number
  /** That each watcher is to get. */
  readonly events: number
}

export interface WatchResult {
  readonly events: number
  /** When the last watcher had its last event: milliseconds since 1970. */
  readonly ended_at_ms: number
}

/** Events a second that watchers of one prefix, spread over three members, are told while keys are put. */
export const watches: Measure = {
  name: 'watches',
  run: (context) =>
    context.clusters.with(MEMBERS, async (...subjects) => {
      const watchers = context.quick ? 12 : WATCHERS
      const puts = context.quick ? 100 : PUTS
      const { ours, etcd } = await alternate(context.runs, subjects, async (subject, run) => {
        const rate = await fanOut(subject, watchers, puts, context)
        context.say(`${watchers} watchers, run ${run + 1}: ${subject.kind} ${rate.toFixed(0)} events/s`)
        return rate
      })
      const name = `watch_events_${MEMBERS}_${watchers}`
      return [figureOf({ name, unit: 'events/s', ours, etcd, also: { watchers, puts } })]
    }),
}

/** Every watcher gets every event: the process that watches fails otherwise. */
async function fanOut(
  subject: Subject,
  watchers: number,
  puts: number,
  { signal }: Context,
): Promise<number> {
  const leader = await leaderOf(subject)
  await Promise.all(subject.members.map(({ address }) => settledRevision(address)))
  const order: WatchOrder = {
    addresses: subject.members.map(({ address }) => address),
    watchers,
    events: puts,
  }
  const program = new URL('./watch_process.ts', import.meta.url).pathname
  const child = spawn(process.execPath, [program, JSON.stringify(order)], {
    stdio: ['ignore', 'pipe', 'inherit'],
    signal: AbortSignal.any([signal, AbortSignal.timeout(TIMEOUT_MS)]),
    killSignal: 'SIGKILL',
  })
  const ended = once(child, 'close')
  ended.catch(() => undefined)
  try {
    const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]()
    const next = async (): Promise<string> => {
      const line = await Promise.race([lines.next(), ended])
      if (Array.isArray(line) || line.done === true) throw new Error(`the watchers of ${subject.kind} ended`)
      return line.value
    }
    await next()
    const began = Date.now()
    await putAll(leader.address, puts)
    const { events, ended_at_ms } = JSON.parse(await next()) as WatchResult
    return events / ((ended_at_ms - began) / 1000)
  } finally {
    child.kill('SIGKILL')
    await ended.catch(() => undefined)
  }
}

async function putAll(address: string, puts: number): Promise<void> {
  using client = new RawClient(address)
  let next = 0
  const worker = async (): Promise<void> => {
    while (next < puts) await put(client, next++)
  }
  await Promise.all(Array.from({ length: PUTS_IN_FLIGHT }, worker))
}
