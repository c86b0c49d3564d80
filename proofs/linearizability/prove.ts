import { setTimeout as sleep } from 'node:timers/promises'
import { until } from '../failover/until.ts'
import { type FoundBug, proveBugs } from './bugs/prove_bugs.ts'
import { Cluster } from './cluster/cluster.ts'
import { Nemesis } from './faults/nemesis.ts'
import { judge, violationsOf } from './judge.ts'
import { keepRecord } from './keep.ts'
import type { ProofOptions } from './options.ts'
import { runPhase } from './phase.ts'
import type { WatchClient } from './watch/watcher.ts'
import type { History } from './workload/history.ts'
import { Random } from './workload/random.ts'

const CLIENT_PAUSE_MS = 4
const FAULT_REST_MS = 900
const SAY_EVERY_MS = 10_000
/** On a machine that is busy with other things answers take their time; a cluster that gives none is found out. */
const ENOUGH_TIMEOUT_MS = 180_000

export interface ProofFigures {
  readonly success: boolean
  readonly planted_bugs: readonly FoundBug[]
  readonly operations: number
  readonly operations_ok: number
  readonly operations_unknown: number
  readonly operations_failed: number
  readonly reads_of_the_past_and_of_members: number
  readonly revisions: number
  readonly parts: number
  readonly part_operations_max: number
  readonly faults: Readonly<Record<string, number>>
  readonly delayed_syncs: number
  readonly watchers: number
  readonly watch_connections: number
  readonly watch_events: number
  readonly check_ms: number
  readonly violations: readonly string[]
}

/**
 * First that each planted bug is found, then that a cluster without one, under faults, is linearizable and keeps the guarantees of
 * watches. Rejects when the proof itself could not be made.
 */
export async function prove(options: ProofOptions, say: (line: string) => void): Promise<ProofFigures> {
  const random = new Random(options.seed)
  const bugs = await proveBugs(random.fork(), say)
  const figures = await proveCluster(options, random.fork(), say)
  const success = figures.violations.length === 0 && bugs.every(({ found }) => found)
  return { success, planted_bugs: bugs, ...figures }
}

async function proveCluster(
  options: ProofOptions,
  random: Random,
  say: (line: string) => void,
): Promise<Omit<ProofFigures, 'success' | 'planted_bugs'>> {
  const { members: size, namespaces, clients, faults: kinds } = options
  const cluster = await Cluster.start({ size, namespaces, nodeArguments: [] })
  try {
    say(`${size} members run, at ${cluster.members.map(({ etcd }) => etcd).join(', ')}`)
    const nemesis = new Nemesis({
      cluster,
      random: random.fork(),
      kinds,
      say,
      restMilliseconds: FAULT_REST_MS,
    })
    const record = await runPhase({
      cluster,
      prefix: 'k',
      clients,
      pauseMilliseconds: CLIENT_PAUSE_MS,
      random: random.fork(),
      awaitExpiry: true,
      during: async (history, watchers) => {
        await workEnough(options, { history, watchers, nemesis }, say)
        await nemesis.stop()
      },
    })
    const { history, from, until, watchers } = record
    say(`${history.ok} operations were answered, ${history.unknown} were not; revisions ${from} to ${until}`)
    const began = performance.now()
    const judgement = judge(record, true)
    const { linearizability, watchEvents, connections } = judgement
    const { delayedSyncs, counts } = nemesis
    const violations = violationsOf(judgement)
    if (violations.length > 0) say(`what clients and watchers were told is in ${await keepRecord(record)}`)
    return {
      operations: history.ok + history.unknown + history.failed,
      operations_ok: history.ok,
      operations_unknown: history.unknown,
      operations_failed: history.failed,
      reads_of_the_past_and_of_members: history.looks.length,
      revisions: until - from + 1,
      parts: linearizability.parts,
      part_operations_max: linearizability.largest,
      faults: Object.fromEntries(counts),
      delayed_syncs: delayedSyncs,
      watchers: watchers.length,
      watch_connections: connections,
      watch_events: watchEvents,
      check_ms: Math.round(performance.now() - began),
      violations,
    }
  } finally {
    await cluster.close()
  }
}

interface Work {
  readonly history: History
  readonly watchers: readonly WatchClient[]
  readonly nemesis: Nemesis
}

/** For as long as was asked for, and until enough has happened for the verdict to mean something. */
async function workEnough(
  { seconds, operationsMin, watchEventsMin, faults }: ProofOptions,
  { history, watchers, nemesis }: Work,
  say: (line: string) => void,
): Promise<void> {
  for (let left = 1000 * seconds; left > 0; left -= SAY_EVERY_MS) {
    await sleep(Math.min(left, SAY_EVERY_MS))
    say(`${Math.max(0, left - SAY_EVERY_MS) / 1000} s left`)
  }
  await until('enough answers, events, faults and syncs that a slow disk delayed', ENOUGH_TIMEOUT_MS, () => {
    const events = watchers.reduce((sum, { told }) => sum + told, 0)
    const { counts, delayedSyncs } = nemesis
    const isEnough = history.ok >= operationsMin && events >= watchEventsMin
    const isFaulty = faults.length === 0 || counts.size > 0
    const isSlowed = (counts.get('disk') ?? 0) === 0 || delayedSyncs > 0
    return isEnough && isFaulty && isSlowed ? true : undefined
  })
}
