/**
 * `npm run check [-- STEP…]`: runs every step (or the named ones) to the end and sums up what failed.
 * Exit code 0 when all passed, 1 when a step failed, 2 when a step is unknown.
 */
import { dirname } from 'node:path'
import { steps } from './check/steps.ts'

const root = dirname(import.meta.dirname)
const wanted = process.argv.slice(2)
const unknown = wanted.filter((name) => !steps.some((step) => step.name === name))
if (unknown.length > 0) {
  console.error(
    `check: no step ${unknown.join(', ')}; there are ${steps.map((step) => step.name).join(', ')}`,
  )
  process.exit(2)
}

const failed: string[] = []
const chosen = steps.filter((step) => wanted.length === 0 || wanted.includes(step.name))
for (const step of chosen) {
  const started = performance.now()
  const outcome = await step.run(root)
  const seconds = ((performance.now() - started) / 1000).toFixed(1)
  console.log(`check: ${step.name.padEnd(8)} ${outcome.passed ? 'passed' : 'FAILED'} (${seconds} s)`)
  if (!outcome.passed) {
    failed.push(step.name)
    console.log(`${outcome.output}\n`)
  }
}

const passed = chosen.length - failed.length
console.log(
  `check: ${passed} of ${chosen.length} passed${failed.length > 0 ? `; failed: ${failed.join(', ')}` : ''}`,
)
process.exitCode = failed.length === 0 ? 0 : 1
