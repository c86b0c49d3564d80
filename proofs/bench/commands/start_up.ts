import { readFile } from 'node:fs/promises'
import type { ProcessCluster } from '../../failover/cluster.ts'
import type { MemberProcess } from '../../failover/member_process.ts'
import { median } from './load.ts'
import { measureRebuild, type Rebuild } from './rebuild.ts'
import { clusterWithZone, fill, PROJECT, ZONE } from './throughput.ts'

const FILL_MS_MAX = 120_000
const REBUILDS_MAX = 3
const MIB = 1 << 20

export interface StartUp {
  readonly resources: number
  /** How fast they were made. */
  readonly fill_commands_per_second: number
  /** From the start of the process. */
  readonly ready_ms: number
  readonly first_read_ms: number
  /** Of the member's process, once it is ready and has answered. */
  readonly resident_mib: number
  /** Of a member with hardly any resources. */
  readonly resident_empty_mib: number
  readonly ready_empty_ms: number
  readonly ready_ms_runs: readonly number[]
}

/** How long a member with so many resources takes to start, what memory it takes then, and how fast its tables are built anew. */
export async function measureStartUp(
  resources: number,
  runs: number,
  say: (line: string) => void,
): Promise<{ readonly startUp: StartUp; readonly rebuild: Rebuild }> {
  const cluster = await clusterWithZone(1)
  try {
    const [member] = cluster.members as [MemberProcess]
    await member.stop()
    const empty = await startOnce(cluster, member)
    say(`a member with hardly any resources: ready after ${empty.ready_ms.toFixed(0)} ms`)
    const filled = await fill(cluster, member, resources, FILL_MS_MAX)
    say(`${filled.commands} resources made at ${filled.commands_per_second.toFixed(0)} commands/s`)
    const starts: Start[] = []
    for (let run = 0; run < runs; run++) {
      await member.stop()
      const start = await startOnce(cluster, member)
      starts.push(start)
      say(
        `start ${run + 1} of ${runs}: ready after ${start.ready_ms.toFixed(0)} ms, ${start.resident_mib.toFixed(0)} MiB`,
      )
    }
    await member.stop()
    const rebuild = await measureRebuild(member, Math.min(runs, REBUILDS_MAX))
    say(`tables built anew at ${rebuild.events_per_second.toFixed(0)} events/s`)
    const startUp = {
      resources: filled.commands,
      fill_commands_per_second: filled.commands_per_second,
      ready_ms: median(starts.map(({ ready_ms }) => ready_ms)),
      first_read_ms: median(starts.map(({ first_read_ms }) => first_read_ms)),
      resident_mib: median(starts.map(({ resident_mib }) => resident_mib)),
      resident_empty_mib: empty.resident_mib,
      ready_empty_ms: empty.ready_ms,
      ready_ms_runs: starts.map(({ ready_ms }) => ready_ms),
    }
    return { startUp, rebuild }
  } finally {
    await cluster.close()
  }
}

interface Start {
  readonly ready_ms: number
  readonly first_read_ms: number
  readonly resident_mib: number
}

async function startOnce(cluster: ProcessCluster, member: MemberProcess): Promise<Start> {
  const began = performance.now()
  await member.start()
  const ready = performance.now()
  const client = cluster.clientOf(member)
  const { rows } = await client.read({ kind: 'dns.zone', project: PROJECT, name: ZONE })
  if (rows.length !== 1) throw new Error(`zone ${ZONE} is not there`)
  const read = performance.now()
  return { ready_ms: ready - began, first_read_ms: read - began, resident_mib: await residentMib(member.pid) }
}

/** proc(5): VmRSS is in KiB. */
async function residentMib(pid: number): Promise<number> {
  const found = /^VmRSS:\s+(\d+) kB$/m.exec(await readFile(`/proc/${pid}/status`, 'utf8'))
  if (found === null) throw new Error(`process ${pid} says nothing of its memory`)
  return (Number(found[1]) * 1024) / MIB
}
