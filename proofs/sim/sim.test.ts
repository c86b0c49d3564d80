import { spawnSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { addFaults, noFaults } from './fault_counts.ts'
import type { SimulationOptions } from './options.ts'
import { run } from './sim.ts'

const safetySteps = 4_000
/** Seeds are run until this much is spent, or time is over on a busy machine, but no fewer than the least. */
const cpuSecondsMax = 40
const millisecondsMax = 240_000
const seedsMin = 2_000
const timeout = 120_000
const sizes: readonly SimulationOptions['members'][] = [1, 3, 5]

function cpuSeconds(): number {
  const { user, system } = process.cpuUsage()
  return (user + system) / 1e6
}

test('invariants hold under faults, and healed members go on', () => {
  const until = cpuSeconds() + cpuSecondsMax
  const deadline = performance.now() + millisecondsMax
  const totals = { elections: 0, acknowledged: 0, reads: 0 }
  const faults = noFaults()
  let seeds = 0
  while (seeds < seedsMin || (cpuSeconds() < until && performance.now() < deadline)) {
    seeds += 1
    const members = sizes[seeds % sizes.length] ?? 3
    const result = run(seeds, { members, safetySteps, keepsTrace: false })
    const again = `npm run proof -- sim --seeds 1 --seed ${seeds} --members ${members} --steps ${safetySteps}`
    if (!result.success) expect.fail(`${result.failure?.message}; ${again}`)
    for (const name of ['elections', 'acknowledged', 'reads'] as const) {
      totals[name] += result.counters[name]
    }
    addFaults(faults, result.faults)
  }
  // A simulation in which nothing happens proves nothing.
  expect(totals.elections).toBeGreaterThan(2 * seeds)
  expect(totals.acknowledged).toBeGreaterThan(30 * seeds)
  expect(totals.reads).toBeGreaterThan(5 * seeds)
  for (const [fault, count] of Object.entries(faults)) {
    expect(count, `${fault} in ${seeds} seeds`).toBeGreaterThan(seeds / 20)
  }
}, 1_200_000)

test.each([
  {
    seed: 823,
    members: 5,
    why: 'a member that lost the flag of a voter, and not its vote, becomes one again',
  },
  { seed: 2_000_610, members: 3, why: 'a late answer from before a disk was lost' },
] as const)('seed $seed, that broke once, holds: $why', ({ seed, members }) => {
  expect(run(seed, { members, safetySteps, keepsTrace: false }).failure).toBeNull()
})

describe('the same seed', () => {
  const options = { members: 3, safetySteps, keepsTrace: true } as const
  const once = run(7, options)

  test('gives the same trace, byte for byte', () => {
    const again = run(7, options)
    expect(again.trace.join('\n')).toBe(once.trace.join('\n'))
    expect(again.hash).toBe(once.hash)
    expect(once.trace.length).toBeGreaterThan(1_000)
  })

  test('gives the same hash whether the text is kept or not', () => {
    expect(run(7, { ...options, keepsTrace: false }).hash).toBe(once.hash)
  })

  test('gives the same hash in another process', { timeout }, () => {
    const program = `import { run } from ${JSON.stringify(join(import.meta.dirname, 'sim.ts'))}
      console.log(run(7, { members: 3, safetySteps: ${safetySteps}, keepsTrace: false }).hash)`
    const child = spawnSync(process.execPath, ['--input-type=module', '-e', program], { encoding: 'utf8' })
    expect(child.stdout.trim()).toBe(once.hash)
  })

  test('and another seed another trace', () => {
    expect(run(8, { ...options, keepsTrace: false }).hash).not.toBe(once.hash)
  })

  test('has a script that does the same again, whatever the size', { timeout }, () => {
    for (let seed = 1; seed <= 60; seed += 1) {
      const members = sizes[seed % sizes.length] ?? 3
      const first = run(seed, { members, safetySteps, keepsTrace: false })
      const again = run(seed, { members, safetySteps, keepsTrace: false }, first.script)
      expect(again.hash, `seed ${seed}`).toBe(first.hash)
    }
  })
})

describe('the command', () => {
  const main = join(import.meta.dirname, 'main.ts')

  test('says and writes how much was run, and every fault by its class', { timeout }, () => {
    const directory = mkdtempSync(join(tmpdir(), 'simulation-'))
    try {
      const child = spawnSync(process.execPath, [main, '--seeds', '6'], { cwd: directory, encoding: 'utf8' })
      expect(child.stderr).toBe('')
      expect(child.status).toBe(0)
      expect(child.stdout).toMatch(/^6 seeds, \d+ steps, .* CPU-seconds/)
      expect(child.stdout).toMatch(/^network: .* lost message.*\ndisk: .*\nprocess: .*\nclock: .*$/m)
      const result: unknown = JSON.parse(readFileSync(join(directory, 'work/sim/latest/result.json'), 'utf8'))
      expect(result).toMatchObject({ success: true, seeds: 6, seeds_by_members: { 1: 2, 3: 2, 5: 2 } })
      expect(result).toMatchObject({ failure: null, faults: { crash: expect.any(Number) } })
    } finally {
      rmSync(directory, { recursive: true, force: true })
    }
  })

  test('refuses what it does not understand', { timeout }, () => {
    const child = spawnSync(process.execPath, [main, '--members', '4'], { encoding: 'utf8' })
    expect(child.status).not.toBe(0)
    expect(child.stderr).toContain('--members takes 1, 3 and 5, not 4')
  })
})
