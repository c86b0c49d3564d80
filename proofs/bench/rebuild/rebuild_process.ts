/** A process with a log of so many events, from whose rows are built anew so many times: EVENTS RUNS. Prints a `RebuildOfMix` as JSON. */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { loadDomains } from '../../../domains/load.ts'
import type { Log } from '../../../log/log.ts'
import { openLog } from '../../../log/node.ts'
import { Runner } from '../../../projections/kernel/runner.ts'
import { until } from '../../failover/until.ts'
import { median } from '../commands/load.ts'
import { CloudLife } from './cloud_life.ts'
import type { RebuildOfMix } from './measure.ts'

const LEADER_TIMEOUT_MS = 30_000
const LOAD_TIMEOUT_MS = 600_000
const PAYLOADS_A_PROPOSAL = 1024
const RSS_EVERY_MS = 50
const MIB = 1 << 20

const [wanted = '', runs = ''] = process.argv.slice(2)
const scratch = await mkdtemp(join(tmpdir(), 'ultracloud-rebuild-'))

function fail(error: Error): never {
  throw error
}

async function open(): Promise<Log> {
  const log = await openLog({
    directory: join(scratch, 'chainfire'),
    clusterId: 'bench',
    memberId: 1,
    members: [{ id: 1, name: 'one', peerAddress: '127.0.0.1:0', clientAddress: '' }],
    listen: { host: '127.0.0.1', port: 0 },
    clusterSecret: 'bench',
    failed: fail,
  })
  await until('leadership', LEADER_TIMEOUT_MS, () => (log.status().role === 'leader' ? true : undefined))
  await until('its first entry', LEADER_TIMEOUT_MS, () => (log.status().commitIndex > 0 ? true : undefined))
  return log
}

/** Gives how many events there are. */
async function fill(log: Log, events: number): Promise<number> {
  const { term, commitIndex } = log.status()
  const life = new CloudLife(await loadDomains(), commitIndex)
  let payloads: Uint8Array[] = []
  while (life.events < events) {
    payloads.push(...life.next())
    if (payloads.length < PAYLOADS_A_PROPOSAL && life.events < events) continue
    await log.propose({ term, firstIndex: log.status().lastIndex + 1, payloads })
    payloads = []
  }
  return life.events
}

async function measure(log: Log, events: number): Promise<RebuildOfMix> {
  const entries = log.status().commitIndex
  const worker = new URL('../../../main/projection_worker.ts', import.meta.url)
  const runner = await Runner.open({ log, directory: join(scratch, 'projections'), worker, onFatal: fail })
  await runner.whenProjected(entries, LOAD_TIMEOUT_MS)
  const wanted = (await runner.call('digests', {})).digests
  let resident = 0
  const timer = setInterval(() => {
    resident = Math.max(resident, process.memoryUsage.rss())
  }, RSS_EVERY_MS)
  const seconds: number[] = []
  const processor: number[] = []
  for (let run = 0; run < Number(runs); run++) {
    const before = process.cpuUsage()
    const began = performance.now()
    await runner.rebuild()
    seconds.push((performance.now() - began) / 1000)
    const { user, system } = process.cpuUsage(before)
    processor.push((user + system) / events)
  }
  clearInterval(timer)
  const { digests } = await runner.call('digests', {})
  if (JSON.stringify(digests) !== JSON.stringify(wanted)) throw new Error('the rows came out differently')
  await runner.close()
  const middle = median(seconds)
  return {
    entries,
    events,
    seconds: middle,
    entries_per_second: entries / middle,
    events_per_second: events / middle,
    processor_us_per_event: median(processor),
    resident_mib: resident / MIB,
    seconds_runs: seconds,
  }
}

try {
  const log = await open()
  const events = await fill(log, Number(wanted))
  process.stdout.write(`${JSON.stringify(await measure(log, events))}\n`)
  await log.close()
} finally {
  await rm(scratch, { recursive: true, force: true })
}
