import type { MemberProcess } from '../../failover/member_process.ts'
import { measureRebuild } from '../commands/rebuild.ts'
import { clusterWithZone, fill } from '../commands/throughput.ts'
import { measureRebuildOfMix } from '../rebuild/measure.ts'
import { type Context, type Figure, figureOf, type Measure } from './measure.ts'

const EVENTS = 500_000
const QUICK_EVENTS = 3000
const RECORDS = 50_000
const QUICK_RECORDS = 500
const FILL_MS_MAX = 300_000

/**
 * Events a second with which all resource tables are built anew: from the log of a cloud that lives, and from one of record sets alone,
 * where each event is a command of its own that also changes its zone's serial.
 */
export const rebuild: Measure = {
  name: 'rebuild',
  run: async (context) => [await ofCloud(context), await ofRecords(context)],
}

async function ofCloud({ quick, runs, say }: Context): Promise<Figure> {
  const { events, seconds_runs } = await measureRebuildOfMix(quick ? QUICK_EVENTS : EVENTS, runs)
  return figureOf({
    name: 'table_rebuild',
    unit: 'events/s',
    ours: ratesOf('rebuild', events, seconds_runs, say),
    target: { of: 'value', bound: 'at least', number: 100_000 },
    also: { events },
  })
}

async function ofRecords({ quick, runs, say }: Context): Promise<Figure> {
  const cluster = await clusterWithZone(1)
  try {
    const [member] = cluster.members as [MemberProcess]
    const filled = await fill(cluster, member, quick ? QUICK_RECORDS : RECORDS, FILL_MS_MAX)
    say(`rebuild: ${filled.commands} record sets made`)
    await member.stop()
    const { events, seconds_runs } = await measureRebuild(member, runs)
    return figureOf({
      name: 'table_rebuild_records',
      unit: 'events/s',
      ours: ratesOf('rebuild of record sets', events, seconds_runs, say),
      also: { events },
    })
  } finally {
    await cluster.close()
  }
}

function ratesOf(
  what: string,
  events: number,
  seconds: readonly number[],
  say: Context['say'],
): readonly number[] {
  const rates = seconds.map((each) => events / each)
  for (const [index, rate] of rates.entries()) say(`${what}, run ${index + 1}: ${rate.toFixed(0)} events/s`)
  return rates
}
