import { mkdirSync, writeFileSync } from 'node:fs'
import { parseArgs } from 'node:util'
import type { SimulationOptions } from './options.ts'
import type { SimulationResult } from './sim.ts'
import { run } from './sim.ts'

const usage = `node proofs/sim/main.ts --seeds N [--seed FIRST] [--members 1,3,5] [--steps N] [--trace]

Runs simulations of the log and writes work/sim/latest/result.json. Exits 1 at the first seed that breaks an invariant.`

const sizes = [1, 3, 5] as const
const traceTail = 60
const resultDirectory = 'work/sim/latest'

interface Arguments {
  readonly first: number
  readonly seeds: number
  readonly members: readonly SimulationOptions['members'][]
  readonly safetySteps: number
  readonly keepsTrace: boolean
}

function parse(): Arguments | null {
  const { values } = parseArgs({
    options: {
      seeds: { type: 'string', default: '300' },
      seed: { type: 'string', default: '1' },
      members: { type: 'string', default: '1,3,5' },
      steps: { type: 'string', default: '4000' },
      trace: { type: 'boolean', default: false },
      help: { type: 'boolean', default: false },
    },
  })
  if (values.help) return null
  const members = values.members.split(',').map((text) => {
    const size = sizes.find((candidate) => candidate === Number(text))
    if (size === undefined) throw new RangeError(`--members takes 1, 3 and 5, not ${text}`)
    return size
  })
  const count = (name: 'seeds' | 'seed' | 'steps'): number => {
    const number = Number(values[name])
    if (!Number.isSafeInteger(number) || number < 1)
      throw new RangeError(`--${name} takes a positive whole number`)
    return number
  }
  return {
    first: count('seed'),
    seeds: count('seeds'),
    members,
    safetySteps: count('steps'),
    keepsTrace: values.trace,
  }
}

function main(): number {
  const parsed = parse()
  if (parsed === null) {
    console.log(usage)
    return 0
  }
  const started = performance.now()
  let steps = 0
  const totals = { elections: 0, accepted: 0, acknowledged: 0, reads: 0, faults: 0 }
  let failed: SimulationResult | null = null
  let done = 0
  for (let seed = parsed.first; seed < parsed.first + parsed.seeds && failed === null; seed += 1) {
    const members = parsed.members[seed % parsed.members.length] ?? 3
    const result = run(seed, { members, safetySteps: parsed.safetySteps, keepsTrace: parsed.keepsTrace })
    if (parsed.keepsTrace) console.log(result.trace.join('\n'))
    done += 1
    steps += result.steps
    for (const name of Object.keys(totals) as (keyof typeof totals)[]) totals[name] += result.counters[name]
    if (!result.success) failed = result
  }
  const milliseconds = Math.round(performance.now() - started)
  const failure = failed?.failure ?? null
  const summary = {
    success: failed === null,
    seeds: done,
    first: parsed.first,
    steps,
    milliseconds,
    ...totals,
    failure,
  }
  mkdirSync(resultDirectory, { recursive: true })
  writeFileSync(`${resultDirectory}/result.json`, `${JSON.stringify(summary, null, 2)}\n`)
  console.log(
    `${done} seeds, ${steps} steps, ${milliseconds} ms, ${(milliseconds / done).toFixed(1)} ms a seed`,
  )
  console.log(
    Object.entries(totals)
      .map(([name, count]) => `${count} ${name}`)
      .join(', '),
  )
  if (failed === null) return 0
  report(failed, parsed.safetySteps)
  return 1
}

function report(failed: SimulationResult, safetySteps: number): void {
  const { seed, members } = failed
  const again = run(seed, { members: members as SimulationOptions['members'], safetySteps, keepsTrace: true })
  console.log(again.trace.slice(-traceTail).join('\n'))
  console.log(`seed ${seed}, ${members} members, step ${failed.steps}: ${failed.failure?.message}`)
  console.log(
    `again: node proofs/sim/main.ts --seeds 1 --seed ${seed} --members ${members} --steps ${safetySteps} --trace`,
  )
}

process.exitCode = main()
