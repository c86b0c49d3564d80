/** `npm run proof -- failover`: see `--help`. */
import { writeResult } from '../result.ts'
import { Usage } from '../usage.ts'
import { proveFailover } from './prove.ts'

/** The others go on within two election timeouts, upper end of the range, in the median; none takes more than five. */
const MEDIAN_TIMEOUTS_MAX = 2
const TIMEOUTS_MAX = 5

const usage = new Usage(`npm run proof -- failover [--rounds N]

Kills leaders of three processes, has them stand still and tells them to end, N times each (5), while commands flow, and measures how long
nothing is answered. Writes work/failover/latest/result.json; exits 1 when that is too long, or a command was lost or doubled.`)
const rounds = usage.whole(
  'rounds',
  usage.parse({ rounds: { type: 'string', default: '5' } }).rounds,
  1,
  1000,
)
try {
  const figures = await proveFailover(rounds, (line) => console.log(line))
  const { election_timeout_ms_max: timeout, failover_ms_median: median, failover_ms_max: longest } = figures
  const success = median <= MEDIAN_TIMEOUTS_MAX * timeout && longest <= TIMEOUTS_MAX * timeout
  const path = await writeResult('failover', { success, rounds, ...figures })
  const bound = `${MEDIAN_TIMEOUTS_MAX * timeout} ms in the median and ${TIMEOUTS_MAX * timeout} ms at most`
  console.log(
    `failover: median ${median.toFixed(0)} ms, longest ${longest.toFixed(0)} ms; the bound is ${bound}\n${path}`,
  )
  process.exitCode = success ? 0 : 1
} catch (error) {
  const message = error instanceof Error ? error.message : String(error)
  await writeResult('failover', { success: false, rounds, error: message })
  console.error(`error: ${message}`)
  process.exitCode = 1
}
