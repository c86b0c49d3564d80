/** `npm run proof -- sim`: see `--help`. */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { Usage } from '../usage.ts'
import { type Arguments, parseArguments, usage } from './arguments.ts'
import { measureBugs } from './bugs/measure.ts'
import type { SimulationOptions } from './options.ts'
import { simulate } from './prove.ts'
import { failureLines, figureLines } from './report.ts'
import { shrink } from './shrink.ts'
import type { Script, SimulationResult } from './sim.ts'
import { run } from './sim.ts'

const resultDirectory = join('work', 'sim', 'latest')
/** A few seconds. */
const shrinkRunsMax = 1_500

/** A failure on disk: `--replay` takes it. */
interface Saved {
  readonly seed: number
  readonly members: SimulationOptions['members']
  readonly safetySteps: number
  readonly script: Script
}

async function main(args: readonly string[]): Promise<number> {
  const parsed = understood(args)
  switch (parsed.task) {
    case 'help':
      console.log(usage)
      return 0
    case 'bugs':
      return measureBugs(parsed)
    case 'replay':
      return replay(parsed.file)
    case 'simulate':
      return prove(parsed)
  }
}

function understood(args: readonly string[]): Arguments {
  try {
    return parseArguments(args)
  } catch (error) {
    return new Usage(usage).refuse((error as Error).message)
  }
}

function prove({ range, keepsTrace }: Arguments): number {
  const { figures, failed } = simulate(range)
  if (keepsTrace && range.seeds === 1)
    printTrace(range.first, range.members[range.first % range.members.length] ?? 3, range.safetySteps)
  save('result.json', figures)
  console.log(figureLines(figures).join('\n'))
  if (failed === null) return 0
  explain(failed, range.safetySteps)
  return 1
}

function printTrace(seed: number, members: SimulationOptions['members'], safetySteps: number): void {
  console.log(run(seed, { members, safetySteps, keepsTrace: true }).trace.join('\n'))
}

function explain(failed: SimulationResult, safetySteps: number): void {
  const shrunk = shrink(run, failed, safetySteps, shrinkRunsMax)
  const { seed, members } = failed
  const saved: Saved = { seed, members, safetySteps, script: shrunk.result.script }
  const path = save('shrunk.json', saved)
  console.log(failureLines(failed, shrunk, safetySteps, path).join('\n'))
}

/** Exits 1 when the failure is there again. */
function replay(file: string): number {
  const { seed, members, safetySteps, script } = JSON.parse(readFileSync(file, 'utf8')) as Saved
  const { trace, failure } = run(seed, { members, safetySteps, keepsTrace: true }, script)
  console.log(trace.join('\n'))
  console.log(failure === null ? 'nothing is broken' : failure.message)
  return failure === null ? 0 : 1
}

function save(name: string, content: object): string {
  mkdirSync(resultDirectory, { recursive: true })
  const path = join(resultDirectory, name)
  writeFileSync(path, `${JSON.stringify(content, null, 2)}\n`)
  return path
}

process.exitCode = await main(process.argv.slice(2))
