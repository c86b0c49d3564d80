/** `npm run proof -- linearizability`: see `--help`. */
import { randomInt } from 'node:crypto'
import { writeResult } from '../result.ts'
import { Usage } from '../usage.ts'
import { faultKinds } from './faults/fault.ts'
import { CLIENTS_MAX, type ProofOptions, SECONDS_MAX, SEED_MAX } from './options.ts'
import { canCutLinks, startProof } from './start.ts'

const NAME = 'linearizability'
const MEMBERS = ['1', '3', '5']

const usage =
  new Usage(`npm run proof -- linearizability [--seconds N] [--seed N] [--clients N] [--members 1|3|5] [--faults ${faultKinds.join(',')}]

N clients (8) work on the etcd API of real members for N seconds (120) while these are killed, stand still, are cut off (as root) and
have slow disks: what clients were told must be what one store could have answered, and what watchers were told must be its changes.
First, planted bugs must be found. Writes work/linearizability/latest/result.json; exits 1 when it does not hold.`)
const values = usage.parse({
  seconds: { type: 'string', default: '120' },
  seed: { type: 'string', default: String(randomInt(SEED_MAX)) },
  clients: { type: 'string', default: '8' },
  members: { type: 'string', default: '3' },
  faults: { type: 'string', default: faultKinds.join(',') },
})
const seconds = usage.positive('seconds', values.seconds, SECONDS_MAX)
const seed = usage.whole('seed', values.seed, 0, SEED_MAX)
const clients = usage.whole('clients', values.clients, 1, CLIENTS_MAX)
if (!MEMBERS.includes(values.members))
  usage.refuse(`--members takes ${MEMBERS.join(', ')}, not ${values.members}`)
const members = Number(values.members) as ProofOptions['members']
const wanted = values.faults
  .split(',')
  .filter((kind) => kind !== '')
  .map(
    (name) =>
      faultKinds.find((kind) => kind === name) ??
      usage.refuse(`--faults takes ${faultKinds.join(', ')}, not ${name}`),
  )
const namespaces = canCutLinks()
const faults = namespaces ? wanted : wanted.filter((kind) => kind !== 'links')
if (faults.length < wanted.length)
  console.error(
    'NOT ROOT: no network namespaces can be made, so NO LINKS ARE CUT; run it as root for the whole proof',
  )
const options: ProofOptions = {
  seconds,
  operationsMin: 0,
  watchEventsMin: 0,
  seed,
  clients,
  members,
  faults,
  namespaces,
}
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
