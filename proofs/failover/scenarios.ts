import { isDeepStrictEqual } from 'node:util'
import { shown } from './checks.ts'
import type { ProcessCluster } from './cluster.ts'
import type { MemberProcess } from './member_process.ts'
import { until } from './until.ts'
import type { Workload } from './workload.ts'

const GO_ON_TIMEOUT_MS = 60_000
/** Commands that flow before, and between, what happens. */
const FLOW = 150
const PAUSE_MS = 3_000
/** A signal has arrived by then. */
const SIGNAL_MS = 50
/** Rows on disk are at most this much older than what was acknowledged when a member is killed. */
const ROWS_AGE_MS = 1_000

export interface Kill {
  /** From the kill to the first newly acknowledged command. */
  readonly failover_ms: number
  /** From the start of the killed member until it is ready, and until it shows what was acknowledged meanwhile. */
  readonly restart_ms: number
  readonly catch_up_ms: number
  /** The last entry acknowledged before the kill, and how many of the entries up to it the rows on disk lacked. */
  readonly entries: number
  readonly entries_replayed: number
  /** What the others had acknowledged until it was started again. */
  readonly entries_missed: number
}

/** `kill -9` of the leader while commands flow; it is started again once the others have gone on. */
export async function killLeader(cluster: ProcessCluster, workload: Workload): Promise<Kill> {
  await workload.more(FLOW, GO_ON_TIMEOUT_MS)
  const leader = await cluster.leader()
  const killed = performance.now()
  await leader.kill()
  const gone = performance.now()
  const first = await workload.firstAfter(gone, GO_ON_TIMEOUT_MS)
  await workload.more(FLOW, GO_ON_TIMEOUT_MS)
  const wanted = lastRevision(workload, killed - ROWS_AGE_MS)
  const entries = lastRevision(workload, killed)
  const started = performance.now()
  await leader.start()
  const ready = performance.now()
  const goal = lastRevision(workload, ready)
  const status = await until(`member ${leader.name} at revision ${goal}`, GO_ON_TIMEOUT_MS, async () => {
    const found = await cluster.status(leader)
    return found !== undefined && shown(found) >= goal ? found : undefined
  })
  const { resumedRevision } = status
  if (resumedRevision < wanted)
    throw new Error(
      `member ${leader.name} went on from revision ${resumedRevision}, though ${wanted} was acknowledged ${ROWS_AGE_MS} ms before the kill`,
    )
  return {
    failover_ms: first.at - killed,
    restart_ms: ready - started,
    catch_up_ms: performance.now() - started,
    entries,
    entries_replayed: Math.max(0, entries - resumedRevision),
    entries_missed: lastRevision(workload, started) - entries,
  }
}

/** The last revision that was acknowledged until a time. */
function lastRevision({ acknowledged }: Workload, time: number): number {
  const revisions = acknowledged.filter(({ at }) => at <= time).map(({ revision }) => revision)
  return Math.max(0, ...revisions)
}

export interface Pause {
  /** From the stop to the first newly acknowledged command. */
  readonly failover_ms: number
  /** From when it goes on until it follows the new leader. */
  readonly rejoin_ms: number
}

/** The leader stands still for three seconds, and goes on as if nothing had been. */
export async function pauseLeader(cluster: ProcessCluster, workload: Workload): Promise<Pause> {
  await workload.more(FLOW, GO_ON_TIMEOUT_MS)
  const leader = await cluster.leader()
  leader.signal('SIGSTOP')
  const stopped = performance.now()
  const resume = Promise.withResolvers<number>()
  const timer = setTimeout(() => {
    leader.signal('SIGCONT')
    resume.resolve(performance.now())
  }, PAUSE_MS)
  try {
    const first = await workload.firstAfter(stopped + SIGNAL_MS, GO_ON_TIMEOUT_MS)
    const resumed = await resume.promise
    await until(`member ${leader.name} as a follower`, GO_ON_TIMEOUT_MS, async () => {
      const status = await cluster.status(leader)
      return status !== undefined && status.leader !== '' && status.leader !== leader.name ? true : undefined
    })
    const rejoined = performance.now()
    await workload.more(FLOW, GO_ON_TIMEOUT_MS)
    return { failover_ms: first.at - stopped, rejoin_ms: rejoined - resumed }
  } finally {
    clearTimeout(timer)
    leader.signal('SIGCONT')
  }
}

export interface Shutdown {
  /** The longest time without an acknowledged command around the shutdown. */
  readonly gap_ms: number
  readonly shutdown_ms: number
}

/** The leader is told to end: it hands over, ends well, and is started again. */
export async function stopLeader(cluster: ProcessCluster, workload: Workload): Promise<Shutdown> {
  await workload.more(FLOW, GO_ON_TIMEOUT_MS)
  const leader = await cluster.leader()
  const told = performance.now()
  const how = await leader.stop()
  const ended = performance.now()
  if (how !== 0)
    throw new Error(`member ${leader.name} was told to end, and ended with ${how}\n${leader.output}`)
  await workload.firstAfter(ended, GO_ON_TIMEOUT_MS)
  await workload.more(FLOW, GO_ON_TIMEOUT_MS)
  const gap = longestGap(workload, told)
  await leader.start()
  return { gap_ms: gap, shutdown_ms: ended - told }
}

function longestGap({ acknowledged }: Workload, since: number): number {
  const times = acknowledged.map(({ at }) => at).filter((at) => at >= since)
  return Math.max(0, ...times.map((at, index) => at - (times[index - 1] ?? since)))
}

/** A linearizable read and a command through every follower. */
export async function askFollowers(cluster: ProcessCluster): Promise<void> {
  const leader = await cluster.leader()
  for (const [index, follower] of cluster.followers(leader).entries())
    await askFollower(cluster, follower, index)
}

async function askFollower(cluster: ProcessCluster, follower: MemberProcess, index: number): Promise<void> {
  const client = cluster.clientOf(follower)
  const name = `through-${follower.name}-${index}`
  const data = { project: 'default', name, cidr: '10.1.0.0/16' }
  const { revision } = await client.command({ type: 'vpc.CreateVpc', data })
  const page = await client.read({ kind: 'vpc.vpc', project: 'default', name })
  if (page.rows.length !== 1 || page.revision < revision)
    throw new Error(`member ${follower.name} does not show ${name}, which it has just acknowledged`)
  const url = `http://${follower.rest}/api/v1/projects/default/vpc/vpcs/${name}`
  const headers = { authorization: `Bearer ${cluster.token}` }
  const linearizable = await fetch(url, { headers })
  const local = await fetch(`${url}?min_revision=${revision}`, { headers })
  const [through, own] = [await linearizable.text(), await local.text()]
  if (
    linearizable.status !== 200 ||
    local.status !== 200 ||
    !isDeepStrictEqual(JSON.parse(through), JSON.parse(own))
  )
    throw new Error(
      `member ${follower.name} passes on a read of ${name} as ${through}, and has it as ${own} itself`,
    )
}
