/** `npm run proof -- failover [--rounds N]`: leaders are killed, stand still and are told to end while commands flow. */
import { parseArgs } from 'node:util'
import { writeResult } from '../result.ts'
import { proveFailover } from './prove.ts'

/** The others go on within two election timeouts, upper end of the range, in the median; none takes more than five. */
const MEDIAN_TIMEOUTS_MAX = 2
const TIMEOUTS_MAX = 5

const { values } = parseArgs({ options: { rounds: { type: 'string', default: '5' } } })
const rounds = Number(values.rounds)
if (!Number.isInteger(rounds) || rounds < 1 || rounds > 1000)
  throw new RangeError(`--rounds takes a number from 1 to 1000, not ${values.rounds}`)
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
