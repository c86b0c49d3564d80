/** `npm run proof -- crash [--crashes N] [--seed N] [--kills N] [--bugs]`: storage is crashed at every write and sync, and killed. */
import { parseArgs } from 'node:util'
import { writeResult } from '../result.ts'
import { storageBugs } from './bugs.ts'
import { Explorer } from './explorer.ts'
import { proveKills } from './kills.ts'
import { huntStorageBug, type StorageHunt } from './sow.ts'

const CRASHES_PER_SEED = 5000
const BUG_CRASHES_MAX = 50_000

const { values } = parseArgs({
  options: {
    crashes: { type: 'string', default: '100000' },
    kills: { type: 'string', default: '20' },
    seed: { type: 'string', default: '1' },
    bugs: { type: 'boolean', default: false },
  },
})
const [crashesMax, kills, seed] = [Number(values.crashes), Number(values.kills), Number(values.seed)]
if (![crashesMax, kills, seed].every((number) => Number.isSafeInteger(number) && number >= 0))
  throw new RangeError('--crashes, --kills and --seed take whole numbers')

const failures: string[] = []
let [crashes, inRecovery, flips, operations] = [0, 0, 0, 0]
for (let next = seed; crashes < crashesMax; next += 1) {
  const found = await new Explorer(next, Math.min(CRASHES_PER_SEED, crashesMax - crashes)).run()
  crashes += found.crashes
  inRecovery += found.crashesInRecovery
  flips += found.flips
  operations += found.operations
  if (found.failure !== undefined) failures.push(`seed ${next}: ${found.failure}`)
}
console.log(
  `crash: ${crashes} crashes at ${operations} operations, ${inRecovery} of them during a recovery, and ${flips} flipped bytes`,
)
const killed = await proveKills(kills, seed)
failures.push(...killed.failures)
console.log(`crash: ${killed.kills} kills, ${killed.acknowledged} changes acknowledged before them`)

const hunts: StorageHunt[] = []
if (values.bugs) for (const bug of storageBugs) hunts.push(await huntStorageBug(bug, seed, BUG_CRASHES_MAX))
for (const { bug, crashes: needed } of hunts)
  console.log(`crash: ${bug}: found after ${needed ?? 'none of'} crashes`)
for (const { bug, crashes: needed } of hunts) if (needed === null) failures.push(`not found: ${bug}`)

const success = failures.length === 0
const processor = process.cpuUsage()
const path = await writeResult('crash', {
  success,
  seed,
  crashes,
  crashes_in_recovery: inRecovery,
  operations,
  flips,
  kills: killed.kills,
  kills_while_writing: killed.kills_while_writing,
  acknowledged: killed.acknowledged,
  bugs: hunts,
  failures,
  cpu_seconds: (processor.user + processor.system) / 1e6,
})
for (const failure of failures) console.error(failure)
console.log(path)
process.exitCode = success ? 0 : 1
