import { execFile } from 'node:child_process'
import { join } from 'node:path'
import { promisify } from 'node:util'

/** Who is to be asked for what, how often at once, and for how long: the first of both bounds counts. */
export interface LoadOrder {
  readonly address: string
  readonly token: string
  readonly project: string
  readonly zone: string
  /** Names begin with it. */
  readonly prefix: string
  readonly concurrency: number
  readonly warm_up_ms: number
  readonly duration_ms: number
  readonly commands: number
}

export interface LoadResult {
  readonly commands: number
  readonly commands_per_second: number
  readonly latency_ms_p50: number
  readonly latency_ms_p99: number
}

const GRACE_MS = 60_000

/** Sends commands from a process of its own. Rejects when one of them is refused. */
export async function load(order: LoadOrder): Promise<LoadResult> {
  const program = join(import.meta.dirname, 'load_client.ts')
  const { stdout } = await promisify(execFile)(process.execPath, [program, JSON.stringify(order)], {
    timeout: order.warm_up_ms + order.duration_ms + GRACE_MS,
  })
  return JSON.parse(stdout) as LoadResult
}

/** The middle one of an odd number of figures. */
export function median(figures: readonly number[]): number {
  return [...figures].sort((a, b) => a - b)[Math.floor(figures.length / 2)] ?? 0
}
