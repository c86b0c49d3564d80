import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import { ProcessCluster } from '../../failover/cluster.ts'
import type { MemberProcess } from '../../failover/member_process.ts'
import { VALUE_BYTES } from './keys.ts'
import { figureOf, type Measure, spreadOf } from './measure.ts'

const ENTRIES = 1_000_000
const TIMEOUT_MS = 600_000

export interface ScanResult {
  readonly entries: number
  /** Of payload. */
  readonly bytes: number
  readonly seconds: number
  /** What the thread that scans had of a processor. */
  readonly processor_seconds: number
}

/** Entries a second that are read through the port of the log and verified: a log that was written through it, by a process that has ended. */
export const scan: Measure = {
  name: 'scan',
  run: async ({ quick, runs, say, signal }) => {
    const cluster = await ProcessCluster.prepare(1)
    try {
      const [member] = cluster.members as [MemberProcess]
      const program = new URL('./scan_process.ts', import.meta.url).pathname
      const run = (what: string, number: number) =>
        promisify(execFile)(
          process.execPath,
          [program, member.directory, member.config, what, String(number)],
          {
            timeout: TIMEOUT_MS,
            signal,
          },
        )
      const entries = quick ? 10_000 : ENTRIES
      await run('write', entries)
      say(`scan: ${entries} entries written`)
      const { stdout } = await run('scan', runs)
      const results = stdout
        .trim()
        .split('\n')
        .map((line) => JSON.parse(line) as ScanResult)
      for (const [index, { entries: read, bytes, seconds, processor_seconds }] of results.entries()) {
        if (bytes !== entries * VALUE_BYTES)
          throw new Error(`${read} entries of ${bytes} bytes were read, where ${entries} were written`)
        say(
          `scan, run ${index + 1}: ${(read / seconds).toFixed(0)} entries/s, ${(read / processor_seconds).toFixed(0)} a processor's second`,
        )
      }
      return [
        figureOf({
          name: 'verified_scan',
          unit: 'entries/s',
          ours: results.map((each) => each.entries / each.seconds),
          target: { of: 'value', bound: 'at least', number: 1_000_000 },
          also: {
            entries_per_processor_second_median: spreadOf(
              results.map((each) => each.entries / each.processor_seconds),
            ).median,
          },
        }),
      ]
    } finally {
      await cluster.close()
    }
  },
}
