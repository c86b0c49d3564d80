import { execFile } from 'node:child_process'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { frame } from '../../../edges/etcd/frames.ts'
import { percentile } from './measure.ts'

const GRACE_MS = 30_000
/** Calls in place of each that may be in flight. */
const QUICK_ROUNDS = 4
const CONNECTIONS_MAX = 8
/** Calls on one connection before there is another. */
const CALLS_PER_CONNECTION = 16

/** One call, sent again and again. */
export interface Load {
  readonly address: string
  /** `KV/Put`. */
  readonly method: string
  /** Messages: each is sent by a process of its own, which has its share of the calls in flight. */
  readonly messages: readonly Uint8Array[]
  readonly inFlight: number
  readonly seconds: number
  /** A few calls, however long they take, in place of so many seconds. */
  readonly quick: boolean
  readonly signal: AbortSignal
}

export interface LoadFigures {
  /** Calls that were answered, all with HTTP status 200. What gRPC said of them is the caller's to find out. */
  readonly requests: number
  readonly requests_per_second: number
  readonly data_bytes: number
  readonly latency_us_p50: number
  readonly latency_us_p99: number
}

interface Part {
  readonly requests: number
  readonly dataBytes: number
  readonly latencies: Float64Array
  /** Microseconds since 1970, of the first start and the last end. */
  readonly from: number
  readonly to: number
}

/** Makes load with h2load (nghttp2). Rejects when it is not installed, or a call got no answer. */
export async function load(order: Load): Promise<LoadFigures> {
  const { messages, inFlight } = order
  const folder = await mkdtemp(join(tmpdir(), 'ultracloud-h2load-'))
  try {
    const share = Math.max(1, Math.floor(inFlight / messages.length))
    const parts = await Promise.all(
      messages.map((message, index) => loadPart(order, message, share, join(folder, String(index)))),
    )
    return together(parts)
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}

async function loadPart(order: Load, message: Uint8Array, inFlight: number, path: string): Promise<Part> {
  const { address, method, seconds, quick, signal } = order
  const connections = Math.min(CONNECTIONS_MAX, Math.ceil(inFlight / CALLS_PER_CONNECTION))
  await writeFile(`${path}.message`, frame(message))
  const { stdout } = await promisify(execFile)(
    'h2load',
    [
      ['--threads=1', `--clients=${connections}`],
      [`--max-concurrent-streams=${Math.ceil(inFlight / connections)}`],
      [quick ? `--requests=${QUICK_ROUNDS * inFlight}` : `--duration=${Math.ceil(seconds * 1000)}ms`],
      [`--data=${path}.message`, `--log-file=${path}.log`],
      ['--header=content-type: application/grpc', '--header=te: trailers'],
      [`http://${address}/etcdserverpb.${method}`],
    ].flat(),
    { timeout: seconds * 1000 + GRACE_MS, signal },
  )
  const requests = numberIn(stdout, /(\d+) succeeded/)
  const failed = numberIn(stdout, /(\d+) failed/) + numberIn(stdout, /(\d+) errored/)
  if (requests === 0 || failed > 0)
    throw new Error(`${method} on ${address}: ${requests} calls were answered, ${failed} not\n${stdout}`)
  return {
    requests,
    dataBytes: numberIn(stdout, /\((\d+)\) data/),
    ...timesIn(await readFile(`${path}.log`, 'utf8')),
  }
}

function numberIn(text: string, pattern: RegExp): number {
  const [, digits] = pattern.exec(text) ?? []
  if (digits === undefined) throw new Error(`h2load does not say ${pattern.source}:\n${text}`)
  return Number(digits)
}

/** Lines of start (microseconds since 1970), HTTP status and duration (microseconds), by tabs. */
function timesIn(log: string): Pick<Part, 'latencies' | 'from' | 'to'> {
  const lines = log.split('\n').filter((line) => line !== '')
  const latencies = new Float64Array(lines.length)
  let from = Number.POSITIVE_INFINITY
  let to = 0
  for (const [index, line] of lines.entries()) {
    const [start = '', , duration = ''] = line.split('\t')
    latencies[index] = Number(duration)
    from = Math.min(from, Number(start))
    to = Math.max(to, Number(start) + Number(duration))
  }
  return { latencies, from, to }
}

function together(parts: readonly Part[]): LoadFigures {
  const sum = (of: (part: Part) => number): number => parts.reduce((total, part) => total + of(part), 0)
  const requests = sum((part) => part.requests)
  const latencies = new Float64Array(sum((part) => part.latencies.length))
  let at = 0
  for (const part of parts) {
    latencies.set(part.latencies, at)
    at += part.latencies.length
  }
  latencies.sort()
  const from = Math.min(...parts.map((part) => part.from))
  const to = Math.max(...parts.map((part) => part.to))
  return {
    requests,
    requests_per_second: requests / ((to - from) / 1e6),
    data_bytes: sum((part) => part.dataBytes),
    latency_us_p50: percentile(latencies, 0.5),
    latency_us_p99: percentile(latencies, 0.99),
  }
}
