import { spawnSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { run } from './sim.ts'

const safetySteps = 4_000

describe('invariants hold under faults, and healed members go on', () => {
  test.each([
    [1, 60],
    [3, 300],
    [5, 200],
  ] as const)('%i members, %i seeds', (members, seeds) => {
    const totals = { elections: 0, acknowledged: 0, reads: 0, faults: 0 }
    for (let seed = 1; seed <= seeds; seed += 1) {
      const result = run(seed, { members, safetySteps, keepsTrace: false })
      expect(result.failure, `seed ${seed}`).toBeNull()
      totals.elections += result.counters.elections
      totals.acknowledged += result.counters.acknowledged
      totals.reads += result.counters.reads
      totals.faults += result.counters.faults
    }
    // A simulation in which nothing happens proves nothing.
    expect(totals.elections).toBeGreaterThan(2 * seeds)
    expect(totals.acknowledged).toBeGreaterThan(30 * seeds)
    expect(totals.reads).toBeGreaterThan(5 * seeds)
    expect(totals.faults).toBeGreaterThan(10 * seeds)
  })
})

describe('the same seed', () => {
  const once = run(7, { members: 3, safetySteps, keepsTrace: true })

  test('gives the same trace, byte for byte', () => {
    const again = run(7, { members: 3, safetySteps, keepsTrace: true })
    expect(again.trace.join('\n')).toBe(once.trace.join('\n'))
    expect(again.hash).toBe(once.hash)
    expect(once.trace.length).toBeGreaterThan(1_000)
  })

  test('gives the same hash whether the text is kept or not', () => {
    expect(run(7, { members: 3, safetySteps, keepsTrace: false }).hash).toBe(once.hash)
  })

  test('gives the same hash in another process', () => {
    const program = `import { run } from ${JSON.stringify(join(import.meta.dirname, 'sim.ts'))}
      console.log(run(7, { members: 3, safetySteps: ${safetySteps}, keepsTrace: false }).hash)`
    const child = spawnSync(process.execPath, ['--input-type=module', '-e', program], { encoding: 'utf8' })
    expect(child.stdout.trim()).toBe(once.hash)
  })

  test('and another seed another trace', () => {
    expect(run(8, { members: 3, safetySteps, keepsTrace: false }).hash).not.toBe(once.hash)
  })
})

test('the command writes its result', () => {
  const directory = mkdtempSync(join(tmpdir(), 'simulation-'))
  try {
    const main = join(import.meta.dirname, 'main.ts')
    const child = spawnSync(process.execPath, [main, '--seeds', '6'], { cwd: directory, encoding: 'utf8' })
    expect(child.stderr).toBe('')
    expect(child.status).toBe(0)
    const result: unknown = JSON.parse(readFileSync(join(directory, 'work/sim/latest/result.json'), 'utf8'))
    expect(result).toMatchObject({ success: true, seeds: 6, failure: null })
  } finally {
    rmSync(directory, { recursive: true, force: true })
  }
})

test('the command refuses what it does not understand', () => {
  const main = join(import.meta.dirname, 'main.ts')
  const child = spawnSync(process.execPath, [main, '--members', '4'], { encoding: 'utf8' })
  expect(child.status).not.toBe(0)
  expect(child.stderr).toContain('--members takes 1, 3 and 5, not 4')
})
