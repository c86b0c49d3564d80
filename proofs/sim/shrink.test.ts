import { spawnSync } from 'node:child_process'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { allBugs } from './bugs/all.ts'
import { withBug } from './bugs/sow.ts'
import { simulate } from './prove.ts'
import { failureLines, figureLines } from './report.ts'
import { shrink } from './shrink.ts'
import type { SimulationResult } from './sim.ts'

const safetySteps = 4_000
const runsMax = 1_500
const timeout = 300_000
const options = { members: 3, safetySteps, keepsTrace: false } as const

/** A simulation that fails late enough to have a story, with the bug that makes it fail. */
async function withFailure<T>(
  name: string,
  use: (failed: SimulationResult, run: Parameters<typeof shrink>[0]) => T,
): Promise<T> {
  const bug = allBugs.find((candidate) => candidate.name === name)
  if (bug === undefined) throw new RangeError(`there is no bug ${name}`)
  return withBug(bug, (run) => {
    for (let seed = 1; seed < 1_000; seed += 1) {
      const result = run(seed, options)
      if (result.failure !== null && result.script.decisions.length > 100) return use(result, run)
    }
    throw new RangeError(`${name} was not found`)
  })
}

test('a failing simulation is shrunk to what it takes, the same each time', { timeout }, async () => {
  const name = 'commits an entry of an older term by counting'
  await withFailure(name, (failed, run) => {
    const shrunk = shrink(run, failed, safetySteps, runsMax)
    const { result, decisionsBefore, runs } = shrunk
    expect(decisionsBefore).toBeGreaterThan(100)
    expect(result.failure?.invariant).toBe(failed.failure?.invariant)
    expect(result.script.decisions.length).toBeLessThan(20)
    expect(runs).toBeLessThanOrEqual(runsMax)
    // What is left does it again, and nothing of it can be left out.
    const again = run(failed.seed, { ...options, keepsTrace: true }, result.script)
    expect(again.trace).toEqual(result.trace)
    expect(again.failure).toEqual(result.failure)
    expect(shrink(run, failed, safetySteps, runsMax).result.hash).toBe(result.hash)
  })
})

test('the report has the command that does it again, the shrunk story in words, and what broke', {
  timeout,
}, async () => {
  await withFailure('a wiped member votes', (failed, run) => {
    const shrunk = shrink(run, failed, safetySteps, runsMax)
    const text = failureLines(failed, shrunk, safetySteps, 'work/sim/latest/shrunk.json').join('\n')
    expect(text).toContain(
      `again: npm run proof -- sim --seeds 1 --seed ${failed.seed} --members 3 --steps ${safetySteps} --trace`,
    )
    expect(text).toContain('--replay work/sim/latest/shrunk.json')
    expect(text).toMatch(/\n {2}\d+ {2}the disk of \d is lost.*\n/)
    expect(text).toMatch(/\n\d+ {2}\d leads term \d+ from entry \d+ on\n/)
    expect(text.endsWith(shrunk.result.failure?.message ?? 'nothing')).toBe(true)
  })
})

test('the command prints and saves it, and runs what it saved again', { timeout }, async () => {
  const bug = allBugs.find(({ name }) => name === 'a wiped member votes')
  if (bug === undefined) throw new RangeError('the bug is gone')
  await withBug(bug, (_run, directory) => {
    const command = (...args: readonly string[]) =>
      spawnSync(process.execPath, [join(directory, 'proofs/sim/main.ts'), ...args], {
        cwd: directory,
        encoding: 'utf8',
      })
    const failed = command('--seeds', '1000', '--members', '3')
    expect(failed.stderr).toBe('')
    expect(failed.status).toBe(1)
    expect(failed.stdout).toMatch(/^again: npm run proof -- sim --seeds 1 --seed \d+ --members 3 /m)
    expect(failed.stdout).toContain('again: npm run proof -- sim --replay work/sim/latest/shrunk.json')
    const message = failed.stdout.trimEnd().split('\n').at(-1)
    const again = command('--replay', 'work/sim/latest/shrunk.json')
    expect(again.status).toBe(1)
    expect(again.stdout.trimEnd().split('\n').at(-1)).toBe(message)
    const [, seed = ''] = /--seed (\d+)/.exec(failed.stdout) ?? []
    expect(command('--seeds', '1', '--seed', seed, '--members', '3', '--trace').stdout).toMatch(
      /^0 {2}1 starts/,
    )
  })
})

test('the budget bounds the runs', { timeout }, async () => {
  await withFailure('a wiped member votes', (failed, run) => {
    const { runs, result } = shrink(run, failed, safetySteps, 10)
    expect(runs).toBe(10)
    expect(result.failure?.invariant).toBe(failed.failure?.invariant)
  })
})

test('the figures of a run are told on a line for each class of faults', () => {
  const { figures, failed } = simulate({ first: 1, seeds: 3, members: [1, 3, 5], safetySteps })
  expect(failed).toBeNull()
  const lines = figureLines(figures)
  expect(lines.slice(2).map((line) => line.split(':')[0])).toEqual(['network', 'disk', 'process', 'clock'])
})
