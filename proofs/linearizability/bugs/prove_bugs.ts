import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { until } from '../../failover/until.ts'
import { type Part, txn } from '../checker/operations.ts'
import { Cluster } from '../cluster/cluster.ts'
import { type Judgement, judge } from '../judge.ts'
import { runPhase } from '../phase.ts'
import { EtcdClient } from '../workload/etcd_client.ts'
import type { History } from '../workload/history.ts'
import type { Random } from '../workload/random.ts'
import { requestOf } from '../workload/wire.ts'
import { BUG_FILE, type BugName } from './names.ts'

const CLIENTS = 6
const PAUSE_MS = 2
/** A planted bug has shown itself within so many answers. */
const OPERATIONS = 250
const TIMEOUT_MS = 60_000
const ATTEMPTS = 4
/** What the leader says yes to when it is alone. */
const PUTS_ALONE = 10
const LOST_KEY = 'lost-write-00/a'
const ANSWER_TIMEOUT_MS = 2_000

interface PlantedBug {
  readonly name: BugName
  /** What must say that something is wrong, and not only another check. */
  readonly foundBy: (judgement: Judgement) => boolean
  readonly during: (history: History, cluster: Cluster) => Promise<void>
}

const byHistory = ({ linearizability }: Judgement): boolean => linearizability.violations.length > 0
const byWatch =
  (guarantee: string) =>
  ({ watches }: Judgement): boolean =>
    watches.some((breach) => breach.guarantee === guarantee)

const bugs: readonly PlantedBug[] = [
  { name: 'stale-read', foundBy: byHistory, during: work },
  { name: 'stale-hot-read', foundBy: byHistory, during: work },
  { name: 'double-apply', foundBy: byHistory, during: work },
  { name: 'dropped-event', foundBy: byWatch('reliable'), during: work },
  { name: 'repeated-event', foundBy: byWatch('unique'), during: work },
  { name: 'revision-back', foundBy: ({ revisions }) => revisions.length > 0, during: work },
  // The last one: it leaves a member behind that has ended.
  { name: 'lost-write', foundBy: byHistory, during: loseLeader },
]

export interface FoundBug {
  readonly name: BugName
  readonly found: boolean
  readonly operations: number
  /** By the check that is made for it and by the others. */
  readonly linearizability: number
  readonly revisions: number
  readonly watches: number
  readonly events: number
  /** What it looks like. */
  readonly example: string
}

/** Plants bugs in the members, one after the other, and returns which of them were found. */
export async function proveBugs(random: Random, say: (line: string) => void): Promise<readonly FoundBug[]> {
  const directory = await mkdtemp(join(tmpdir(), 'ultracloud-bugs-'))
  const file = join(directory, 'bug')
  await writeFile(file, '')
  process.env[BUG_FILE] = file
  const nodeArguments = ['--import', join(import.meta.dirname, 'planted.ts')]
  let cluster: Cluster | undefined
  try {
    cluster = await Cluster.start({ size: 3, namespaces: false, nodeArguments })
    const results: FoundBug[] = []
    for (const bug of bugs) results.push(await proveInSome(bug, cluster, file, random, say))
    return results
  } finally {
    delete process.env[BUG_FILE]
    await cluster?.close()
    await rm(directory, { recursive: true, force: true })
  }
}

/** A bug that needs a moment to show, such as a leader that steps down late enough, may take more than one. */
async function proveInSome(...[bug, cluster, ...rest]: Parameters<typeof proveBug>): Promise<FoundBug> {
  for (let attempt = 1; ; attempt++) {
    const proved = await proveBug(bug, cluster, ...rest)
    if (proved.found || attempt === ATTEMPTS) return proved
    for (const member of cluster.members) if (!member.running) await member.start()
  }
}

async function proveBug(
  bug: PlantedBug,
  cluster: Cluster,
  file: string,
  random: Random,
  say: (line: string) => void,
): Promise<FoundBug> {
  const { name, during, foundBy } = bug
  await cluster.leader()
  const record = await runPhase({
    cluster,
    prefix: `${name}-`,
    clients: CLIENTS,
    pauseMilliseconds: PAUSE_MS,
    random: random.fork(),
    during: async (history) => {
      await writeFile(file, name)
      await during(history, cluster).finally(() => writeFile(file, ''))
    },
    awaitExpiry: false,
  })
  const judgement = judge(record, false)
  const found = foundBy(judgement)
  const { linearizability, revisions, watches, events } = judgement
  say(`bug: ${name} was ${found ? 'found' : 'NOT found'} in ${linearizability.operations} operations`)
  return {
    name,
    found,
    operations: linearizability.operations,
    linearizability: linearizability.violations.length,
    revisions: revisions.length,
    watches: watches.length,
    events: events.length,
    example: linearizability.violations[0] ?? revisions[0] ?? watches[0]?.what ?? events[0] ?? '',
  }
}

/** Until clients have had so many more answers. */
async function work(history: History): Promise<void> {
  const goal = history.ok + OPERATIONS
  await until(`${OPERATIONS} answers`, TIMEOUT_MS, () => (history.ok >= goal ? true : undefined))
}

/** The leader alone goes on for a while; then it ends, before anybody else has what it has. */
async function loseLeader(history: History, cluster: Cluster): Promise<void> {
  const leader = await cluster.leader()
  const followers = cluster.members.filter((member) => member !== leader)
  const client = new EtcdClient(leader.etcd)
  try {
    // Puts go on meanwhile: what comes after the others' end is on the leader alone, which steps down before long.
    const alone = Promise.all(followers.map((follower) => follower.kill()))
    let isAlone = false
    void alone.then(() => (isAlone = true))
    for (let number = 0, left = PUTS_ALONE; left > 0; number++) {
      const value = `alone.${number}`
      const part: Part = { kind: 'put', key: LOST_KEY, value, lease: '0', previous: false }
      if (!(await record(history, client, part))) break
      if (isAlone) left -= 1
    }
    await alone
    await leader.kill()
    await Promise.all(followers.map((follower) => follower.start()))
    const next = new EtcdClient((await cluster.leader()).etcd)
    await record(history, next, { kind: 'get', key: LOST_KEY }).finally(() => next.close())
    await work(history)
  } finally {
    client.close()
  }
}

/** Resolves to whether it was answered. */
async function record(history: History, client: EtcdClient, part: Part): Promise<boolean> {
  const input = txn([part])
  const request = requestOf(input)
  const call = performance.now()
  const answer = await client.call(request.method, request.fields, ANSWER_TIMEOUT_MS)
  if (answer.kind === 'answer') history.done(CLIENTS + 1, call, input, request.read(answer.message))
  else history.open(CLIENTS + 1, call, input)
  return answer.kind === 'answer'
}
