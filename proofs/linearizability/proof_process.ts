/** The proof itself, in a process, and where that is wanted a network namespace, of its own; its options are its argument, as JSON. */
import { run } from './cluster/run.ts'
import { OUTCOME, optionsOf } from './options.ts'
import { prove } from './prove.ts'

const options = optionsOf(JSON.parse(process.argv[2] ?? '{}'))
// A new namespace comes without a loopback that works.
if (options.namespaces) await run('ip', ['link', 'set', 'lo', 'up'])
const began = performance.now()
const figures = await prove(options, (line) =>
  console.log(`${((performance.now() - began) / 1000).toFixed(1).padStart(6)} s  ${line}`),
)
console.log(`${OUTCOME}${JSON.stringify(figures)}`)
