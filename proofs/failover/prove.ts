import { agreement, lostOrDoubled } from './checks.ts'
import { ELECTION_TIMEOUT_MS_MAX, ProcessCluster } from './cluster.ts'
import { PROJECT, ZONE } from './operations.ts'
import {
  askFollowers,
  type Kill,
  killLeader,
  type Pause,
  pauseLeader,
  type Shutdown,
  stopLeader,
} from './scenarios.ts'
import { Workload } from './workload.ts'

const CLIENTS = 6

export interface FailoverFigures {
  readonly election_timeout_ms_max: number
  readonly failover_ms_median: number
  readonly failover_ms_max: number
  readonly kills: readonly Kill[]
  readonly pause: Pause
  readonly shutdown: Shutdown
  readonly commands_acknowledged: number
  readonly commands_retried: number
  readonly commands_accepted_before: number
  readonly reads_of_own_writes: number
  readonly revision: number
  readonly digests: Readonly<Record<string, string>>
}

/**
 * Three members as processes on loopback, clients that send commands through all of them, and leaders that are killed, stand still and are
 * told to end. Throws Error, saying what, when an acknowledged command is lost or doubled or the members do not agree in the end.
 */
export async function proveFailover(rounds: number, say: (line: string) => void): Promise<FailoverFigures> {
  const cluster = await ProcessCluster.start(3)
  try {
    return await withCluster(cluster, rounds, say)
  } catch (error) {
    for (const member of cluster.members) say(member.output)
    throw error
  } finally {
    await cluster.close()
  }
}

async function withCluster(
  cluster: ProcessCluster,
  rounds: number,
  say: (line: string) => void,
): Promise<FailoverFigures> {
  say(`three members run: ${cluster.members.map(({ name, grpc }) => `${name} at ${grpc}`).join(', ')}`)
  const leader = cluster.clientOf(await cluster.leader())
  await leader.command({ type: 'dns.CreateZone', data: { project: PROJECT, name: ZONE } })
  await askFollowers(cluster)
  say('followers pass commands and linearizable reads on')
  const workload = new Workload(cluster, CLIENTS)
  const stopWorkload = async (): Promise<void> => {
    await workload.stop()
    if (workload.violations.length > 0) throw new Error(workload.violations.join('\n'))
  }
  const kills: Kill[] = []
  let pause: Pause
  let shutdown: Shutdown
  try {
    for (let round = 1; round <= rounds; round++) {
      const kill = await killLeader(cluster, workload)
      kills.push(kill)
      say(
        `kill ${round}: the others went on after ${kill.failover_ms.toFixed(0)} ms; the killed one was back after ${kill.catch_up_ms.toFixed(0)} ms: its rows lacked ${kill.entries_replayed} of ${kill.entries} entries, and it missed ${kill.entries_missed}`,
      )
    }
    pause = await pauseLeader(cluster, workload)
    say(
      `a leader that stood still: the others went on after ${pause.failover_ms.toFixed(0)} ms, and it followed ${pause.rejoin_ms.toFixed(0)} ms after it went on`,
    )
    shutdown = await stopLeader(cluster, workload)
    say(`a leader that was told to end: nothing was acknowledged for ${shutdown.gap_ms.toFixed(0)} ms`)
  } finally {
    await stopWorkload()
  }
  const { revision, digests } = await agreement(cluster)
  say(`at revision ${revision} the digests of all members are equal`)
  const { acknowledged, reads } = workload
  const problems = await lostOrDoubled(cluster, acknowledged, revision)
  if (problems.length > 0) throw new Error(problems.slice(0, 20).join('\n'))
  say(`none of ${acknowledged.length} acknowledged commands is lost or doubled`)
  const times = kills.map(({ failover_ms }) => failover_ms).sort((a, b) => a - b)
  return {
    election_timeout_ms_max: ELECTION_TIMEOUT_MS_MAX,
    failover_ms_median: times[Math.floor(times.length / 2)] ?? 0,
    failover_ms_max: times.at(-1) ?? 0,
    kills,
    pause,
    shutdown,
    commands_acknowledged: acknowledged.length,
    commands_retried: acknowledged.filter(({ attempts }) => attempts > 1).length,
    commands_accepted_before: acknowledged.filter(({ duplicate }) => duplicate).length,
    reads_of_own_writes: reads,
    revision,
    digests,
  }
}
