import type { SimulationOptions } from '../options.ts'
import type { Bug } from './bug.ts'
import { withBug } from './sow.ts'

export interface Hunt {
  readonly bug: string
  /** How many seeds it took; null when the bug was not found within the bound. */
  readonly seeds: number | null
  readonly invariant: string
  readonly message: string
}

const sizes: readonly SimulationOptions['members'][] = [3, 5]

/** Runs simulations with the bug sown, from each of `firsts` on, until one fails or `seedsMax` have not. */
export async function hunt(bug: Bug, firsts: readonly number[], seedsMax: number): Promise<Hunt[]> {
  return withBug(bug, (run) =>
    firsts.map((first) => {
      for (let count = 1; count <= seedsMax; count += 1) {
        const members = sizes[count % sizes.length] ?? 3
        const { failure } = run(first + count, { members, safetySteps: 4_000, keepsTrace: false })
        if (failure !== null) return { bug: bug.name, seeds: count, ...failure }
      }
      return { bug: bug.name, seeds: null, invariant: '', message: '' }
    }),
  )
}
