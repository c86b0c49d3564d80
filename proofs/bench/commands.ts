/** `npm run bench -- commands`: see `--help`. */
import { availableParallelism, loadavg } from 'node:os'
import { writeResult } from '../result.ts'
import { Usage } from '../usage.ts'
import { measureStartUp } from './commands/start_up.ts'
import { measureThroughput } from './commands/throughput.ts'

const usage = new Usage(`npm run bench -- commands [--seconds N] [--runs N] [--resources N]

Measures commands a second with one member and with three, in N runs (5) of N seconds (3); how long a member with N resources (100000) takes to
start and what memory it takes; and how fast its tables are built anew. Writes work/bench/commands/latest/result.json.`)
const values = usage.parse({
  seconds: { type: 'string', default: '3' },
  runs: { type: 'string', default: '5' },
  resources: { type: 'string', default: '100000' },
})
const seconds = usage.positive('seconds', values.seconds, 60)
const runs = usage.whole('runs', values.runs, 1, 100)
const resources = usage.whole('resources', values.resources, 1, 10_000_000)
const say = (line: string): void => console.error(line)

const [loadAtStart] = loadavg()
const throughput = await measureThroughput(runs, seconds * 1000, say)
const { startUp, rebuild } = await measureStartUp(resources, runs, say)
console.log('members  concurrency  commands/s   p50 ms   p99 ms')
for (const { members, concurrency, commands_per_second, latency_ms_p50, latency_ms_p99 } of throughput) {
  const cells = [
    String(members).padEnd(7),
    String(concurrency).padStart(12),
    commands_per_second.toFixed(0).padStart(11),
    latency_ms_p50.toFixed(2).padStart(8),
    latency_ms_p99.toFixed(2).padStart(8),
  ]
  console.log(cells.join(' '))
}
console.log(
  `start-up with ${startUp.resources} resources: ready after ${startUp.ready_ms.toFixed(0)} ms, first read after ${startUp.first_read_ms.toFixed(0)} ms, ${startUp.resident_mib.toFixed(0)} MiB resident (with hardly any: ${startUp.ready_empty_ms.toFixed(0)} ms, ${startUp.resident_empty_mib.toFixed(0)} MiB)`,
)
console.log(
  `tables built anew: ${rebuild.events_per_second.toFixed(0)} events/s (${rebuild.events} events in ${rebuild.seconds.toFixed(2)} s)`,
)
const path = await writeResult('bench/commands', {
  success: true,
  processors: availableParallelism(),
  load_average_at_start: loadAtStart,
  runs,
  seconds_per_run: seconds,
  throughput,
  start_up: startUp,
  rebuild,
})
console.log(path)
