import { existsSync } from 'node:fs'
import { parseArgs } from 'node:util'
import { allBugs } from './bugs/all.ts'
import type { SimulationOptions } from './options.ts'
import type { SimulationRange } from './prove.ts'

export const usage = `npm run proof -- sim [--seeds N] [--seed FIRST] [--members 1,3,5] [--steps N] [--trace]
npm run proof -- sim --replay FILE
npm run proof -- sim --bugs [--seeds MAX] [--only TEXT] [--write]

Runs simulations of the log and writes work/sim/latest/result.json. Exits 1 at the first seed that breaks an invariant, after
shrinking it to work/sim/latest/shrunk.json, which --replay takes. --trace prints everything that happens. --bugs sows each
known bug and counts the seeds until it is found; --write puts the table into docs/simulation.md.`

export interface Arguments {
  readonly task: 'simulate' | 'replay' | 'bugs' | 'help'
  readonly range: SimulationRange
  readonly keepsTrace: boolean
  readonly file: string
  /** How many seeds a bug may take at most. */
  readonly seedsMax: number
  readonly only: string
  readonly writes: boolean
}

const sizes = [1, 3, 5] as const

/** Throws RangeError or TypeError for what it does not understand. */
export function parseArguments(args: readonly string[]): Arguments {
  const { values } = parseArgs({
    args: [...args],
    options: {
      seeds: { type: 'string' },
      seed: { type: 'string', default: '1' },
      members: { type: 'string', default: '1,3,5' },
      steps: { type: 'string', default: '4000' },
      trace: { type: 'boolean', default: false },
      replay: { type: 'string', default: '' },
      bugs: { type: 'boolean', default: false },
      only: { type: 'string', default: '' },
      write: { type: 'boolean', default: false },
      help: { type: 'boolean', default: false },
    },
  })
  const { help, bugs, replay } = values
  if (replay !== '' && !existsSync(replay)) throw new RangeError(`--replay: there is no file ${replay}`)
  if (!allBugs.some(({ name }) => name.includes(values.only)))
    throw new RangeError(`--only: no bug has ${values.only} in its name`)
  if (values.write && values.only !== '')
    throw new RangeError('--write puts a table of all bugs into the document, not of --only some')
  return {
    task: help ? 'help' : bugs ? 'bugs' : replay === '' ? 'simulate' : 'replay',
    range: {
      first: count('seed', values.seed),
      seeds: count('seeds', values.seeds ?? '300'),
      members: values.members.split(',').map(size),
      safetySteps: count('steps', values.steps),
    },
    keepsTrace: values.trace,
    file: replay,
    seedsMax: count('seeds', values.seeds ?? '20000'),
    only: values.only,
    writes: values.write,
  }
}

function size(text: string): SimulationOptions['members'] {
  const found = sizes.find((candidate) => candidate === Number(text))
  if (found === undefined) throw new RangeError(`--members takes 1, 3 and 5, not ${text}`)
  return found
}

function count(name: string, text: string): number {
  const number = Number(text)
  if (!Number.isSafeInteger(number) || number < 1) {
    throw new RangeError(`--${name} takes a positive whole number`)
  }
  return number
}
