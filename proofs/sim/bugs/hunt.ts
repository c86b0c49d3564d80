import type { SimulationOptions } from '../options.ts'
import type { Bug } from './bug.ts'
import { coreBugs } from './core_bugs.ts'
import { driverBugs } from './driver_bugs.ts'
import { rareBugs } from './rare_bugs.ts'
import { rareRecoveryBugs, recoveryBugs } from './recovery_bugs.ts'
import { withBug } from './sow.ts'

export interface Hunt {
  readonly bug: string
  /** How many seeds it took; null when the bug was not found within the bound. */
  readonly seeds: number | null
  readonly invariant: string
  readonly message: string
}

/** Found within a few hundred seeds. */
export const commonBugs: readonly Bug[] = [...coreBugs, ...driverBugs, ...recoveryBugs]
export const allBugs: readonly Bug[] = [...commonBugs, ...rareBugs, ...rareRecoveryBugs]

const sizes: readonly SimulationOptions['members'][] = [3, 5]

/** Runs simulations with the bug sown, from `first` on, until one fails. */
export async function hunt(bug: Bug, first: number, maxSeeds: number): Promise<Hunt> {
  return withBug(bug, (run) => {
    for (let count = 1; count <= maxSeeds; count += 1) {
      const members = sizes[count % sizes.length] ?? 3
      const { failure } = run(first + count, { members, safetySteps: 4_000, keepsTrace: false })
      if (failure !== null) return { bug: bug.name, seeds: count, ...failure }
    }
    return { bug: bug.name, seeds: null, invariant: '', message: '' }
  })
}
