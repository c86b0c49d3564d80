/** `npm run proof -- linearizability`: see `--help`. */
import { randomInt } from 'node:crypto'
import { writeResult } from '../result.ts'
import { Usage } from '../usage.ts'
import { faultKinds } from './faults/fault.ts'
import { optionsOf, type ProofOptions } from './options.ts'
import { canCutLinks, startProof } from './start.ts'

const NAME = 'linearizability'

const usage =
  new Usage(`npm run proof -- linearizability [--seconds N] [--seed S] [--clients C] [--members 1|3|5] [--faults KINDS]

C clients (8) work for N seconds (120) on the etcd API of real members (3) while these are killed, stand still, are cut off and have slow
disks: what they were told must be what one store could have answered, and what watchers were told must be its changes. First, planted bugs
must be found. KINDS are ${faultKinds.join(',')}, and all without --faults. What is done follows from the seed S, or one chosen at random.

Writes work/linearizability/latest/result.json; exits 1 when it does not hold, and then leaves the history beside it.`)
const values = usage.parse({
  seconds: { type: 'string', default: '120' },
  seed: { type: 'string', default: String(randomInt(0x7fff_ffff)) },
  clients: { type: 'string', default: '8' },
  members: { type: 'string', default: '3' },
  faults: { type: 'string', default: faultKinds.join(',') },
})
const { seconds, seed, clients, members } = values
const wanted = values.faults.split(',').filter((kind) => kind !== '')
const namespaces = canCutLinks()
const faults = namespaces ? wanted : wanted.filter((kind) => kind !== 'links')
if (faults.length < wanted.length)
  console.error(
    'NOT ROOT: no network namespaces can be made, so NO LINKS ARE CUT; run it as root for the whole proof',
  )
const options = understood()
console.log(
  `${NAME}: ${seconds} s, ${clients} clients, ${members} members, faults ${faults.join(', ')}, seed ${seed}`,
)
try {
  const figures = await startProof(options, (line) => console.log(line))
  const { success, violations, planted_bugs: bugs } = figures
  const path = await writeResult(NAME, { ...figures, links_cut: faults.includes('links'), ...options })
  for (const violation of violations) console.error(violation)
  const { operations, operations_ok, operations_unknown, faults: happened, watch_events } = figures
  const faultText = Object.entries(happened).map(([kind, count]) => `${count} ${kind}`)
  console.log(
    `${operations} operations: ${operations_ok} answered, ${operations_unknown} with an unknown outcome; ${faultText.join(', ')}; ${watch_events} watch events; ${bugs.filter(({ found }) => found).length} of ${bugs.length} planted bugs found`,
  )
  console.log(`${success ? 'it holds' : `IT DOES NOT HOLD, with seed ${seed}`}\n${path}`)
  process.exitCode = success ? 0 : 1
} catch (error) {
  const message = error instanceof Error ? error.message : String(error)
  await writeResult(NAME, { success: false, ...options, error: message })
  console.error(`error: ${message} (seed ${seed})`)
  process.exitCode = 1
}

function understood(): ProofOptions {
  try {
    return optionsOf({
      seconds: Number(seconds),
      operationsMin: 0,
      watchEventsMin: 0,
      seed: Number(seed),
      clients: Number(clients),
      members: Number(members),
      faults,
      namespaces,
    })
  } catch (error) {
    return usage.refuse((error as Error).message)
  }
}
