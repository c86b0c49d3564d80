import { mkdirSync, writeFileSync } from 'node:fs'
import { parseArgs } from 'node:util'
import { allBugs, hunt } from './hunt.ts'

const { values } = parseArgs({
  options: {
    seeds: { type: 'string', default: '20000' },
    seed: { type: 'string', default: '0' },
    only: { type: 'string', default: '' },
  },
})
const started = performance.now()
const hunts = []
for (const bug of allBugs.filter(({ name }) => name.includes(values.only))) {
  const found = await hunt(bug, Number(values.seed), Number(values.seeds))
  hunts.push(found)
  const result = found.seeds === null ? 'NOT FOUND' : `${found.seeds} seeds, ${found.message}`
  console.log(`${found.bug}: ${result}`)
}
const missed = hunts.filter(({ seeds }) => seeds === null).length
const milliseconds = Math.round(performance.now() - started)
const directory = 'work/sim-bugs/latest'
mkdirSync(directory, { recursive: true })
const result = { success: missed === 0, bugs: hunts.length, missed, milliseconds, hunts }
writeFileSync(`${directory}/result.json`, `${JSON.stringify(result, null, 2)}\n`)
console.log(`${hunts.length} bugs, ${missed} not found, ${milliseconds} ms`)
process.exitCode = missed === 0 ? 0 : 1
