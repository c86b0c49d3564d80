import { RawClient } from '../../../edges/etcd/testing/client.ts'
import { until } from '../../failover/until.ts'
import { type Context, type Figure, figureOf, type Measure } from './measure.ts'
import { putLoad } from './puts.ts'
import { StalledDisk } from './stalled_disk.ts'
import { followersOf, leaderOf, type Subject } from './subject.ts'

const MEMBERS = 3
const STALL_MS = 500
const IN_FLIGHT = 64
const HELD_UP_TIMEOUT_MS = 20_000

/** What it costs when whatever one follower syncs takes half a second: puts a second against the same without, and elections. */
export const stalledFollower: Measure = {
  name: 'stalled',
  run: (context) => context.clusters.with(MEMBERS, (ours) => measure(context, ours)),
}

async function measure(context: Context, cluster: Subject): Promise<readonly Figure[]> {
  await putLoad(context, cluster, IN_FLIGHT, context.seconds)
  const term = await termOf(cluster)
  const shares: number[] = []
  let delayed = 0
  for (let run = 0; run < context.runs; run++) {
    const rates = new Map<number, number>()
    for (const stall of run % 2 === 0 ? [0, STALL_MS] : [STALL_MS, 0]) {
      const found = await putsWith(context, cluster, stall)
      rates.set(stall, found.rate)
      if (stall > 0) delayed += found.delayed
    }
    const [calm = 0, stalled = 0] = [rates.get(0), rates.get(STALL_MS)]
    shares.push(stalled / calm)
    context.say(`stalled follower, run ${run + 1}: ${stalled.toFixed(0)} puts/s, ${calm.toFixed(0)} without`)
  }
  const elections = (await termOf(cluster)) - term
  return [
    figureOf({
      name: 'stalled_follower_puts',
      unit: 'of puts/s',
      ours: shares,
      target: { of: 'value', bound: 'at least', number: 0.9 },
      also: { syncs_held_up: delayed },
    }),
    figureOf({
      name: 'stalled_follower_elections',
      unit: 'elections',
      ours: [elections],
      target: { of: 'value', bound: 'at most', number: 0 },
    }),
  ]
}

async function putsWith(
  context: Context,
  cluster: Subject,
  stallMilliseconds: number,
): Promise<{ readonly rate: number; readonly delayed: number }> {
  const [follower] = followersOf(cluster, await leaderOf(cluster))
  if (follower === undefined) throw new Error('there is no follower')
  await using disk = await StalledDisk.of(follower.pid, stallMilliseconds, context.signal)
  const { requests_per_second: rate } = await putLoad(context, cluster, IN_FLIGHT, context.seconds)
  // Seen when it is over, half a second after it began.
  if (stallMilliseconds > 0)
    await until('a sync that is held up', HELD_UP_TIMEOUT_MS, () => (disk.delayed > 0 ? true : undefined))
  return { rate, delayed: disk.delayed }
}

async function termOf(cluster: Subject): Promise<number> {
  const { address } = await leaderOf(cluster)
  using client = new RawClient(address)
  const answer = await client.call('Maintenance/Status', 'StatusRequest', 'StatusResponse', {})
  if (!answer.ok) throw new Error(`${address} does not say its state: ${answer.text}`)
  return Number(String(answer.message['raftTerm']))
}
