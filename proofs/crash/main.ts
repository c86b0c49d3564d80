/** `npm run proof -- crash`: see `--help`. */
import { writeResult } from '../result.ts'
import { Usage } from '../usage.ts'
import { storageBugs } from './bugs.ts'
import { Explorer } from './explorer.ts'
import { proveKills } from './kills.ts'
import { huntStorageBug, type StorageHunt } from './sow.ts'

const CRASHES_PER_SEED = 5000
const BUG_CRASHES_MAX = 50_000

const usage = new Usage(`npm run proof -- crash [--crashes N] [--kills N] [--seed N] [--bugs]

Crashes the storage of the log on a simulated disk N times (100000), before, in and after its writes and syncs, then kills a process
that writes to a real one N times (20): nothing that was acknowledged may be lost. --bugs also sows each known bug of storage, and counts
the crashes until it is found. Writes work/crash/latest/result.json; exits 1 when anything was lost, or a bug was not found.`)
const values = usage.parse({
  crashes: { type: 'string', default: '100000' },
  kills: { type: 'string', default: '20' },
  seed: { type: 'string', default: '1' },
  bugs: { type: 'boolean', default: false },
})
const crashesMax = usage.whole('crashes', values.crashes, 0, 1_000_000_000)
const kills = usage.whole('kills', values.kills, 0, 1_000_000)
const seed = usage.whole('seed', values.seed, 0, 0x7fff_ffff)

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
