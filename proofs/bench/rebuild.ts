/**
 * `npm run bench -- rebuild [--events N] [--runs N]`: how fast the rows of all projections are built anew from a log of networks,
 * instances, ports and records, through the runner, to a file that is whole, indexed and on disk.
 */
import { availableParallelism, loadavg } from 'node:os'
import { parseArgs } from 'node:util'
import { writeResult } from '../result.ts'
import { measureRebuildOfMix } from './rebuild/measure.ts'

const TARGET_EVENTS_PER_SECOND = 100_000

const { values } = parseArgs({
  options: { events: { type: 'string', default: '200000' }, runs: { type: 'string', default: '3' } },
})
const events = Number(values.events)
const runs = Number(values.runs)
if (!(events > 0 && events <= 10_000_000 && runs > 0 && runs <= 100))
  throw new RangeError('--events takes a number up to 10000000, and --runs one up to 100')

const [loadAtStart] = loadavg()
const rebuild = await measureRebuildOfMix(Math.floor(events), Math.floor(runs))
const figures = [
  `${rebuild.events_per_second.toFixed(0)} events/s`,
  `${rebuild.entries_per_second.toFixed(0)} entries/s`,
  `${rebuild.processor_us_per_event.toFixed(1)} us of processor an event`,
  `${rebuild.resident_mib.toFixed(0)} MiB resident`,
]
console.log(
  `rows built anew: ${figures.join(', ')} (${rebuild.events} events in ${rebuild.seconds.toFixed(2)} s)`,
)
const path = await writeResult('bench/rebuild', {
  success: rebuild.events_per_second >= TARGET_EVENTS_PER_SECOND,
  target_events_per_second: TARGET_EVENTS_PER_SECOND,
  processors: availableParallelism(),
  load_average_at_start: loadAtStart,
  ...rebuild,
})
console.log(path)
