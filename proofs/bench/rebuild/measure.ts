import { execFile } from 'node:child_process'
import { join } from 'node:path'
import { promisify } from 'node:util'
import type { Rebuild } from '../commands/rebuild.ts'

export interface RebuildOfMix extends Rebuild {
  /** Of the whole process, all threads together, in microseconds: the median of the runs. */
  readonly processor_us_per_event: number
  /** Of the whole process, which has the log too, at most. */
  readonly resident_mib: number
}

const TIMEOUT_MS = 1_800_000

/** Fills a log with so many events of a cloud that lives, and builds its rows anew so many times, in a process of its own. */
export async function measureRebuildOfMix(events: number, runs: number): Promise<RebuildOfMix> {
  const program = join(import.meta.dirname, 'rebuild_process.ts')
  const args = [program, String(events), String(runs)]
  const { stdout } = await promisify(execFile)(process.execPath, args, { timeout: TIMEOUT_MS })
  return JSON.parse(stdout) as RebuildOfMix
}
