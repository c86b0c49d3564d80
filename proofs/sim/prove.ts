import type { FaultCounts } from './fault_counts.ts'
import { addFaults, noFaults } from './fault_counts.ts'
import type { SimulationOptions } from './options.ts'
import type { SimulationResult } from './sim.ts'
import { run } from './sim.ts'
import type { Counters } from './world.ts'

export interface SimulationFigures {
  readonly success: boolean
  readonly seeds: number
  readonly first: number
  /** How many of the seeds had clusters of each size. */
  readonly seeds_by_members: Readonly<Record<number, number>>
  readonly steps: number
  readonly milliseconds: number
  readonly cpu_milliseconds: number
  readonly counters: Readonly<Counters>
  readonly faults: Readonly<FaultCounts>
  readonly failure: SimulationResult['failure']
}

export interface SimulationRange {
  readonly first: number
  readonly seeds: number
  /** Taken in turn. */
  readonly members: readonly SimulationOptions['members'][]
  readonly safetySteps: number
}

/** Runs one simulation a seed, until one fails: that one is given, too. */
export function simulate({ first, seeds, members: sizes, safetySteps }: SimulationRange): {
  readonly figures: SimulationFigures
  readonly failed: SimulationResult | null
} {
  const started = performance.now()
  const cpuBefore = process.cpuUsage()
  const counters: Counters = { elections: 0, accepted: 0, acknowledged: 0, reads: 0 }
  const faults = noFaults()
  const seedsByMembers: Record<number, number> = {}
  let failed: SimulationResult | null = null
  let [done, steps] = [0, 0]
  for (let seed = first; seed < first + seeds && failed === null; seed += 1) {
    const members = sizes[seed % sizes.length] ?? 3
    const result = run(seed, { members, safetySteps, keepsTrace: false })
    done += 1
    steps += result.steps
    seedsByMembers[members] = (seedsByMembers[members] ?? 0) + 1
    for (const name of Object.keys(counters) as (keyof Counters)[]) counters[name] += result.counters[name]
    addFaults(faults, result.faults)
    if (!result.success) failed = result
  }
  const { user, system } = process.cpuUsage(cpuBefore)
  const figures: SimulationFigures = {
    success: failed === null,
    seeds: done,
    first,
    seeds_by_members: seedsByMembers,
    steps,
    milliseconds: Math.round(performance.now() - started),
    cpu_milliseconds: Math.round((user + system) / 1_000),
    counters,
    faults,
    failure: failed?.failure ?? null,
  }
  return { figures, failed }
}
