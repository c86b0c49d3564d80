/** A process that opens a member's log, builds the tables anew from it and prints a `Rebuild` as JSON: DIRECTORY CONFIG RUNS. */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { decodeRecord } from '../../../domains/kernel/record.ts'
import type { Log } from '../../../log/log.ts'
import { Runner } from '../../../projections/kernel/runner.ts'
import { until } from '../../failover/until.ts'
import { openMemberLog } from '../log/open_log.ts'
import { median } from './load.ts'
import type { Rebuild } from './rebuild.ts'

const LEADER_TIMEOUT_MS = 30_000
const LOAD_TIMEOUT_MS = 120_000
const READ_BYTES = 1 << 20

const [directory = '', configFile = '', runs = '1'] = process.argv.slice(2)

function fail(error: Error): never {
  throw error
}

async function open(): Promise<Log> {
  const log = await openMemberLog(directory, configFile)
  await until('leadership', LEADER_TIMEOUT_MS, () =>
    log.status().commitIndex === log.status().lastIndex && log.status().role === 'leader' ? true : undefined,
  )
  return log
}

async function countEvents(log: Log, end: number): Promise<number> {
  let events = 0
  for (let next = 1; next <= end; ) {
    const entries = await log.read(next, end, READ_BYTES)
    for (const { kind, payload } of entries) {
      const record = kind === 'noop' ? undefined : decodeRecord(payload)
      if (record?.kind === 'decision') events += record.events.length
    }
    next += entries.length
  }
  return events
}

const log = await open()
const scratch = await mkdtemp(join(tmpdir(), 'ultracloud-rebuild-'))
try {
  const entries = log.status().commitIndex
  const events = await countEvents(log, entries)
  const worker = new URL('../../../main/projection_worker.ts', import.meta.url)
  const runner = await Runner.open({ log, directory: scratch, worker, onFatal: fail })
  await runner.whenProjected(entries, LOAD_TIMEOUT_MS)
  const seconds: number[] = []
  for (let run = 0; run < Number(runs); run++) {
    const began = performance.now()
    await runner.rebuild()
    seconds.push((performance.now() - began) / 1000)
  }
  await runner.close()
  const middle = median(seconds)
  const result: Rebuild = {
    entries,
    events,
    seconds: middle,
    entries_per_second: entries / middle,
    events_per_second: events / middle,
    seconds_runs: seconds,
  }
  process.stdout.write(`${JSON.stringify(result)}\n`)
} finally {
  await log.close()
  await rm(scratch, { recursive: true, force: true })
}
