/** `npm run bench -- rebuild`: see `--help`. */
import { availableParallelism, loadavg } from 'node:os'
import { writeResult } from '../result.ts'
import { Usage } from '../usage.ts'
import { measureRebuildOfMix } from './rebuild/measure.ts'

const TARGET_EVENTS_PER_SECOND = 100_000

const usage = new Usage(`npm run bench -- rebuild [--events N] [--runs N]

Measures how fast the rows of all projections are built anew from a log of N events (200000) of networks, instances, ports and records,
through the runner, to a file that is whole, indexed and on disk: the best of N runs (3). Writes work/bench/rebuild/latest/result.json.`)
const values = usage.parse({
  events: { type: 'string', default: '200000' },
  runs: { type: 'string', default: '3' },
})
const events = usage.whole('events', values.events, 1, 10_000_000)
const runs = usage.whole('runs', values.runs, 1, 100)

const [loadAtStart] = loadavg()
const rebuild = await measureRebuildOfMix(events, runs)
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
