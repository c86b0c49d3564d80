import type { MemberProcess } from '../../failover/member_process.ts'
import { load } from '../commands/load.ts'
import { measureRebuild } from '../commands/rebuild.ts'
import { clusterWithZone, PROJECT, ZONE } from '../commands/throughput.ts'
import { figureOf, type Measure } from './measure.ts'

const RESOURCES = 50_000
const FILL_CONCURRENCY = 256
const FILL_MS_MAX = 300_000

/** Events a second with which all resource tables of a member are built anew from its log. */
export const rebuild: Measure = {
  name: 'rebuild',
  run: async ({ quick, runs, say }) => {
    const cluster = await clusterWithZone(1)
    try {
      const [member] = cluster.members as [MemberProcess]
      const filled = await load({
        address: member.grpc,
        token: cluster.token,
        project: PROJECT,
        zone: ZONE,
        prefix: 'r',
        concurrency: FILL_CONCURRENCY,
        warm_up_ms: 0,
        duration_ms: FILL_MS_MAX,
        commands: quick ? 500 : RESOURCES,
      })
      say(`rebuild: ${filled.commands} resources made`)
      await member.stop()
      const { events, seconds_runs } = await measureRebuild(member, runs)
      const rates = seconds_runs.map((seconds) => events / seconds)
      for (const [index, rate] of rates.entries())
        say(`rebuild, run ${index + 1}: ${rate.toFixed(0)} events/s`)
      return [
        figureOf({
          name: 'table_rebuild',
          unit: 'events/s',
          ours: rates,
          target: { of: 'value', bound: 'at least', number: 100_000 },
          also: { events },
        }),
      ]
    } finally {
      await cluster.close()
    }
  },
}
