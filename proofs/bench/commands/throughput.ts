import { ProcessCluster } from '../../failover/cluster.ts'
import type { MemberProcess } from '../../failover/member_process.ts'
import { type LoadResult, load, median } from './load.ts'

export const PROJECT = 'default'
export const ZONE = 'bench.test'

const WARM_UP_MS = 500
const FILL_CONCURRENCY = 256
const concurrencies = [1, 256] as const

export interface Throughput extends LoadResult {
  readonly members: number
  readonly concurrency: number
  /** Of every run, in order. */
  readonly commands_per_second_runs: readonly number[]
}

/** Starts a cluster with a zone for the records that the commands put. */
export async function clusterWithZone(size: 1 | 3): Promise<ProcessCluster> {
  const cluster = await ProcessCluster.start(size)
  try {
    const leader = cluster.clientOf(await cluster.leader())
    await leader.command({ type: 'dns.CreateZone', data: { project: PROJECT, name: ZONE } })
    return cluster
  } catch (error) {
    await cluster.close()
    throw error
  }
}

/** Has a member make so many record sets in the zone, or as many as it can in so many milliseconds. */
export async function fill(
  { token }: ProcessCluster,
  { grpc: address }: MemberProcess,
  commands: number,
  duration_ms: number,
): Promise<LoadResult> {
  return await load({
    address,
    token,
    project: PROJECT,
    zone: ZONE,
    prefix: 'r',
    concurrency: FILL_CONCURRENCY,
    warm_up_ms: 0,
    duration_ms,
    commands,
  })
}

/** Commands a second with one member and with three, by turns; every figure is the median of the runs. */
export async function measureThroughput(
  runs: number,
  durationMilliseconds: number,
  say: (line: string) => void,
): Promise<readonly Throughput[]> {
  const clusters = [await clusterWithZone(1), await clusterWithZone(3)]
  try {
    const found = new Map<string, LoadResult[]>()
    for (let run = 0; run < runs; run++) {
      for (const concurrency of concurrencies) {
        for (const cluster of clusters) {
          const result = await loadLeader(
            cluster,
            concurrency,
            durationMilliseconds,
            `r${run}x${concurrency}`,
          )
          const key = `${cluster.members.length} ${concurrency}`
          found.set(key, [...(found.get(key) ?? []), result])
          say(
            `run ${run + 1} of ${runs}: ${cluster.members.length} members, concurrency ${concurrency}: ${result.commands_per_second.toFixed(0)} commands/s`,
          )
        }
      }
    }
    return clusters.flatMap(({ members }) =>
      concurrencies.map((concurrency) =>
        summary(members.length, concurrency, found.get(`${members.length} ${concurrency}`) ?? []),
      ),
    )
  } finally {
    await Promise.all(clusters.map((cluster) => cluster.close()))
  }
}

async function loadLeader(
  cluster: ProcessCluster,
  concurrency: number,
  durationMilliseconds: number,
  prefix: string,
): Promise<LoadResult> {
  const { grpc: address } = await cluster.leader()
  return await load({
    address,
    token: cluster.token,
    project: PROJECT,
    zone: ZONE,
    prefix,
    concurrency,
    warm_up_ms: WARM_UP_MS,
    duration_ms: durationMilliseconds,
    commands: Number.MAX_SAFE_INTEGER,
  })
}

function summary(members: number, concurrency: number, results: readonly LoadResult[]): Throughput {
  const of = (figure: keyof LoadResult): number => median(results.map((result) => result[figure]))
  return {
    members,
    concurrency,
    commands: of('commands'),
    commands_per_second: of('commands_per_second'),
    latency_ms_p50: of('latency_ms_p50'),
    latency_ms_p99: of('latency_ms_p99'),
    commands_per_second_runs: results.map(({ commands_per_second }) => commands_per_second),
  }
}
