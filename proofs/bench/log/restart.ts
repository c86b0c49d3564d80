import { execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFile } from 'node:fs/promises'
import { setTimeout as sleep } from 'node:timers/promises'
import { promisify } from 'node:util'
import { frame } from '../../../edges/etcd/frames.ts'
import { ended, RawClient } from '../../../edges/etcd/testing/client.ts'
import { ProcessCluster } from '../../failover/cluster.ts'
import type { MemberProcess } from '../../failover/member_process.ts'
import { rangeMessage } from './keys.ts'
import { type Context, type Figure, figureOf, type Measure, spreadOf } from './measure.ts'
import { etcdAddressOf } from './ultracloud.ts'

const FILL_TIMEOUT_MS = 1_800_000
const READ_TIMEOUT_MS = 60_000
/** Asking takes processor time from the member. */
const RETRY_MS = 5
/** More time with ten times the entries than this is growth. */
const GROWTH_MAX = 1.25

/** From the start of a member's process to the first linearizable read that it answers, with few entries and with many. */
export const restart: Measure = {
  name: 'restart',
  run: async (context) => {
    const sizes = context.quick ? [500, 2_000] : [100_000, 1_000_000]
    const figures: Figure[] = []
    const killed: Figure[] = []
    for (const [index, entries] of sizes.entries()) {
      const isLast = index === sizes.length - 1
      const { starts, afterKill } = await startsOf(context, entries, isLast)
      figures.push(
        figureOf({
          name: `restart_${entries}`,
          unit: 'ms',
          ours: starts.map(({ milliseconds }) => milliseconds),
          also: {
            processor_ms_median: spreadOf(starts.map(({ processorMilliseconds }) => processorMilliseconds))
              .median,
          },
          ...(isLast ? { target: { of: 'value', bound: 'at most', number: 1000 } } : {}),
        }),
      )
      if (isLast)
        killed.push(
          figureOf({
            name: 'restart_after_kill',
            unit: 'ms',
            ours: afterKill.map(({ milliseconds }) => milliseconds),
            target: { of: 'value', bound: 'at most', number: 1000 },
          }),
        )
    }
    const bare = await bareTimes(context)
    figures.push(figureOf({ name: 'restart_node_alone', unit: 'ms', ours: bare }))
    const [few, many] = figures
    if (few !== undefined && many !== undefined)
      figures.push(
        figureOf({
          name: 'restart_growth',
          unit: 'times',
          ours: [many.ours.median / few.ours.median],
          target: { of: 'value', bound: 'at most', number: GROWTH_MAX },
        }),
      )
    return [...figures, ...killed]
  },
}

interface Start {
  /** From the start of the process to the first read. */
  readonly milliseconds: number
  /** What the process had of the processors by then. */
  readonly processorMilliseconds: number
}

interface Starts {
  /** After it ended in order. */
  readonly starts: readonly Start[]
  /** After `kill -9`. */
  readonly afterKill: readonly Start[]
}

/** Starts a member, and waits until it is ready. */
async function startOnce(member: MemberProcess, entries: number, signal: AbortSignal): Promise<Start> {
  const started = performance.now()
  const ready = member.start()
  ready.catch(() => undefined)
  await firstRead(etcdAddressOf(member), entries - 1, signal)
  const milliseconds = performance.now() - started
  const processorMilliseconds = await processorTime(member.pid)
  await ready
  return { milliseconds, processorMilliseconds }
}

/** A member filled with so many entries, then started again and again. */
async function startsOf(context: Context, entries: number, withKill: boolean): Promise<Starts> {
  const { runs, quick, say, signal } = context
  const cluster = await ProcessCluster.prepare(1)
  try {
    const [member] = cluster.members as [MemberProcess]
    // Ends on its own terms once: what only the first start makes is made.
    if (!quick) {
      await member.start()
      await member.stop()
    }
    const program = new URL('./fill_process.ts', import.meta.url).pathname
    const began = performance.now()
    await promisify(execFile)(process.execPath, [program, member.directory, member.config, String(entries)], {
      timeout: FILL_TIMEOUT_MS,
      signal,
    })
    say(`restart: ${entries} entries written in ${((performance.now() - began) / 1000).toFixed(1)} s`)
    const starts: Start[] = []
    const afterKill: Start[] = []
    for (let run = 0; run < runs; run++) {
      starts.push(await startOnce(member, entries, signal))
      if (withKill) {
        await member.kill()
        afterKill.push(await startOnce(member, entries, signal))
      }
      await member.stop()
      const [clean, killed] = [starts, afterKill].map((each) => each.at(-1)?.milliseconds.toFixed(0))
      say(`restart with ${entries} entries, run ${run + 1}: ${clean} ms, after kill -9 ${killed ?? '-'} ms`)
    }
    return { starts, afterKill }
  } finally {
    await cluster.close()
  }
}

/** proc(5): utime and stime of all threads, in hundredths of a second. */
async function processorTime(pid: number): Promise<number> {
  const fields = (await readFile(`/proc/${pid}/stat`, 'utf8')).split(') ')[1]?.split(' ') ?? []
  return (Number(fields[11]) + Number(fields[12])) * 10
}

/** Asks until the key of that number is read. */
async function firstRead(address: string, key: number, signal: AbortSignal): Promise<void> {
  const deadline = performance.now() + READ_TIMEOUT_MS
  const message = rangeMessage(key, false)
  for (;;) {
    signal.throwIfAborted()
    using client = new RawClient(address)
    const stream = client.open('KV/Range')
    let bytes = 0
    stream.on('data', (chunk: Buffer) => (bytes += chunk.length))
    stream.end(frame(message))
    const { code, text } = await ended(stream)
    if (code === 0 && bytes > message.length + 200) return
    if (code === 0) throw new Error(`${address} has lost the key ${key}`)
    if (performance.now() > deadline) throw new Error(`${address} answers no read: ${text}`)
    await sleep(RETRY_MS)
  }
}

/** What starting and ending Node takes when it has nothing to do. */
async function bareTimes({ runs }: Context): Promise<readonly number[]> {
  const times: number[] = []
  for (let run = 0; run < runs; run++) {
    const began = performance.now()
    const child = spawn(process.execPath, ['--eval', '0'], { stdio: 'ignore' })
    await once(child, 'close')
    times.push(performance.now() - began)
  }
  return times
}
