import { execFile } from 'node:child_process'
import { join } from 'node:path'
import { promisify } from 'node:util'
import type { MemberProcess } from '../../failover/member_process.ts'

export interface Rebuild {
  readonly entries: number
  readonly events: number
  readonly seconds: number
  readonly entries_per_second: number
  readonly events_per_second: number
  readonly seconds_runs: readonly number[]
}

const TIMEOUT_MS = 300_000

/** Builds the tables of a stopped member anew from its log, in a process of its own, so many times; the figures are the medians. */
export async function measureRebuild(member: MemberProcess, runs: number): Promise<Rebuild> {
  const program = join(import.meta.dirname, 'rebuild_process.ts')
  const args = [program, member.directory, member.config, String(runs)]
  const { stdout } = await promisify(execFile)(process.execPath, args, { timeout: TIMEOUT_MS })
  return JSON.parse(stdout) as Rebuild
}
