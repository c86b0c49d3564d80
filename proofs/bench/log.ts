/** `npm run bench -- log`: see `--help`. */
import { availableParallelism, loadavg } from 'node:os'
import { writeResult } from '../result.ts'
import { Usage } from '../usage.ts'
import { batches } from './log/batches.ts'
import { Clusters } from './log/clusters.ts'
import { failover } from './log/failover.ts'
import { gets } from './log/gets.ts'
import type { Context, Figure, Measure } from './log/measure.ts'
import { puts } from './log/puts.ts'
import { rebuild } from './log/rebuild.ts'
import { restart } from './log/restart.ts'
import { scan } from './log/scan.ts'
import { stalledFollower } from './log/stalled_follower.ts'
import { table } from './log/table.ts'
import { watches } from './log/watches.ts'

const measures: readonly Measure[] = [
  puts,
  gets,
  watches,
  batches,
  scan,
  rebuild,
  failover,
  stalledFollower,
  restart,
]

const names = measures.map(({ name }) => name)
const usage = new Usage(`npm run bench -- log [--runs N] [--seconds N] [--keys N] [--only MEASURE]… [--quick]

Measures the log and its etcd API beside etcd-server of Debian, on the same machine and disk and with the same client, by turns, in N
runs (5) of N seconds (5), with puts to N keys (1). --quick takes one run of 0.3 seconds, which shows that all measures work, and no more.
--only takes one measure, and may be given again: ${names.join(', ')}.

Prints a table with ratios to etcd. Writes work/bench/log/latest/result.json, or, when it is quick or not of all measures,
work/bench/log-part/latest/result.json. Exits 1 when a target is missed.`)
const values = usage.parse({
  runs: { type: 'string' },
  seconds: { type: 'string' },
  keys: { type: 'string', default: '1' },
  only: { type: 'string', multiple: true, default: [] },
  quick: { type: 'boolean', default: false },
})

function wanted(): readonly Measure[] {
  const unknown = values.only.find((name) => !names.includes(name))
  if (unknown !== undefined) usage.refuse(`--only takes one of ${names.join(', ')}, not ${unknown}`)
  return values.only.length === 0 ? measures : measures.filter(({ name }) => values.only.includes(name))
}

const ending = new AbortController()
for (const signal of ['SIGINT', 'SIGTERM'] as const)
  process.once(signal, () => ending.abort(new Error(`ended by ${signal}`)))

const selected = wanted()
await using clusters = new Clusters(values.quick)
const context: Context = {
  runs: usage.whole('runs', values.runs ?? (values.quick ? '1' : '5'), 1, 100),
  seconds: usage.positive('seconds', values.seconds ?? (values.quick ? '0.3' : '5'), 600),
  keys: usage.whole('keys', values.keys, 1, 64),
  quick: values.quick,
  clusters,
  say: (line) => console.error(line),
  signal: ending.signal,
}
const [loadAtStart] = loadavg()
const figures: Figure[] = []
const errors: Record<string, string> = {}
for (const { name, run } of selected) {
  if (ending.signal.aborted) break
  try {
    figures.push(...(await run(context)))
  } catch (error) {
    errors[name] = error instanceof Error ? error.message : String(error)
    console.error(`${name} failed: ${errors[name]}`)
  }
}
const complete = selected.length === measures.length && !values.quick && !ending.signal.aborted
const success = Object.keys(errors).length === 0 && figures.every(({ met }) => met !== false)
console.log(table(figures))
const path = await writeResult(complete ? 'bench/log' : 'bench/log-part', {
  success,
  complete,
  processors: availableParallelism(),
  load_average_at_start: loadAtStart,
  runs: context.runs,
  seconds_per_run: context.seconds,
  keys: context.keys,
  figures,
  errors,
})
console.log(path)
process.exitCode = success && !ending.signal.aborted ? 0 : 1
