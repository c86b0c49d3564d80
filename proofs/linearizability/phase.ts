import { setTimeout as sleep } from 'node:timers/promises'
import { until } from '../failover/until.ts'
import { txn } from './checker/operations.ts'
import type { Cluster } from './cluster/cluster.ts'
import type { WatchRecord, WatchSpec } from './watch/record.ts'
import { WatchClient } from './watch/watcher.ts'
import { Client } from './workload/client.ts'
import { EtcdClient, type Message } from './workload/etcd_client.ts'
import { type Group, Groups } from './workload/groups.ts'
import { History } from './workload/history.ts'
import type { Random } from './workload/random.ts'
import { clusterOf, requestOf, revisionOf } from './workload/wire.ts'

/** After the faults: until a linearizable read is answered, leases are gone, and watchers have been told all. */
const SETTLE_TIMEOUT_MS = 60_000
const ANSWER_TIMEOUT_MS = 2_000

export interface PhaseOptions {
  readonly cluster: Cluster
  /** What all keys of the phase begin with. */
  readonly prefix: string
  readonly clients: number
  readonly pauseMilliseconds: number
  readonly random: Random
  /** What happens meanwhile: the phase ends with it. */
  readonly during: (history: History, watchers: readonly WatchClient[]) => Promise<void>
  /** Whether the leases that are left must expire in the end. */
  readonly awaitExpiry: boolean
}

/** What is known of a phase once it is over, to be checked. */
export interface PhaseRecord {
  readonly history: History
  readonly watchers: readonly WatchRecord[]
  /** The first revision of the phase, and the last one that every watcher has reached. */
  readonly from: number
  readonly until: number
  /** What did not come about. */
  readonly problems: readonly string[]
}

/** Clients and watchers work on the members' keys while something happens; then all comes to rest, and everything is read once more. */
export async function runPhase(options: PhaseOptions): Promise<PhaseRecord> {
  const { cluster, prefix, random, during } = options
  const members = cluster.members.map(({ etcd }) => new EtcdClient(etcd))
  const history = new History()
  const groups = new Groups(prefix)
  const before = await presentAnswer(members)
  const from = revisionOf(before) + 1
  const clusterId = clusterOf(before)
  const watched = { id: clusterId, members: cluster.members }
  const watchers = specs(prefix).map((spec) => new WatchClient(spec, watched, from, random.fork()))
  const clients = Array.from({ length: options.clients }, (_, number) => {
    const { pauseMilliseconds } = options
    return new Client({
      number,
      members,
      groups,
      history,
      clusterId,
      random: random.fork(),
      pauseMilliseconds,
    })
  })
  const problems: string[] = []
  let last = from - 1
  try {
    await during(history, watchers)
    await Promise.all(clients.map((client) => client.stop()))
    if (options.awaitExpiry) problems.push(...(await leasesLeft(members)))
    for (const group of groups.all) await readAll(group, members, history, options.clients)
    last = revisionOf(await presentAnswer(members))
    problems.push(...(await watchersLeft(watchers, last)))
  } finally {
    await Promise.all(clients.map((client) => client.stop()))
    await Promise.all(watchers.map((watcher) => watcher.stop()))
    for (const member of members) member.close()
  }
  problems.push(...history.surprises, ...watchers.flatMap(({ surprises }) => surprises))
  problems.push(...cluster.members.flatMap(({ died }) => died ?? []))
  return { history, watchers, from, until: last, problems }
}

/** All events more than once, and parts of them by prefix and filter. */
function specs(prefix: string): readonly WatchSpec[] {
  const all = { prefix, without: [], previous: true }
  return [
    { ...all, name: 'watcher 1' },
    { ...all, name: 'watcher 2', previous: false },
    { ...all, name: 'watcher 3, of deletes', without: ['put'] },
    { ...all, name: 'watcher 4, of puts', without: ['delete'], previous: false },
    ...['0', '1', '2'].map((digit) => ({
      ...all,
      name: `watcher of ${prefix}${digit}`,
      prefix: `${prefix}${digit}`,
    })),
  ]
}

/** A linearizable read, of a member that answers. */
async function presentAnswer(members: readonly EtcdClient[]): Promise<Message> {
  const { method, fields } = requestOf(txn([{ kind: 'get', key: 'none' }]))
  let turn = 0
  return until('a linearizable read', SETTLE_TIMEOUT_MS, async () => {
    const member = members[turn++ % members.length]
    const answer = await member?.call(method, fields, ANSWER_TIMEOUT_MS)
    return answer?.kind === 'answer' ? answer.message : undefined
  })
}

/** Reads a whole group at each member: the history's last word. */
async function readAll(
  group: Group,
  members: readonly EtcdClient[],
  history: History,
  client: number,
): Promise<void> {
  const input = txn([{ kind: 'get', key: group.prefix, end: group.end }])
  const request = requestOf(input)
  await Promise.all(
    members.map(async (member) => {
      const call = performance.now()
      const answer = await member.call(request.method, request.fields, ANSWER_TIMEOUT_MS)
      if (answer.kind === 'answer') history.done(client, call, input, request.read(answer.message))
    }),
  )
}

async function leasesLeft(members: readonly EtcdClient[]): Promise<readonly string[]> {
  const method = {
    method: 'Lease/LeaseLeases',
    request: 'LeaseLeasesRequest',
    response: 'LeaseLeasesResponse',
  }
  let left: readonly Message[] = []
  try {
    await until('no lease is left', SETTLE_TIMEOUT_MS, async () => {
      const answer = await members[0]?.call(method, {}, ANSWER_TIMEOUT_MS)
      if (answer?.kind !== 'answer') return undefined
      left = answer.message['leases'] as Message[]
      if (left.length === 0) return true
      await sleep(100)
      return undefined
    })
    return []
  } catch {
    return [`leases did not expire: ${left.map((lease) => String(lease['ID'])).join(', ') || 'no answer'}`]
  }
}

async function watchersLeft(watchers: readonly WatchClient[], last: number): Promise<readonly string[]> {
  const behind = (): readonly WatchClient[] => watchers.filter(({ reached }) => reached < last)
  try {
    await until('all was told', SETTLE_TIMEOUT_MS, () => (behind().length === 0 ? true : undefined))
    return []
  } catch {
    return behind().map(
      ({ spec, reached }) =>
        `${spec.name} was told everything up to ${reached} alone, though ${last} was reached`,
    )
  }
}
