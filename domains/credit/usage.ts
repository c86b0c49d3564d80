import { nameKey, type Resources } from '../kernel/domain.ts'
import { defaultLimits, type ResourceClass, resourceClasses } from './contract.ts'
import state from './state.ts'

export interface Usage {
  readonly class: ResourceClass
  readonly used: number
  readonly limit: number
  /** False when the limit is the default. */
  readonly set: boolean
}

/** What a project holds of a class, and may hold. */
export function usageOf(resources: Resources, project: string, of: ResourceClass): Usage {
  const { quota, reservation } = resources.view(state)
  const limit = quota.find('name', nameKey(project, of))?.limit
  return {
    class: of,
    used: reservation.sum(`used ${of}`, project),
    limit: limit ?? defaultLimits[of],
    set: limit !== undefined,
  }
}

/** What a project holds of every class, and may hold. */
export function usage(resources: Resources, project: string): readonly Usage[] {
  return resourceClasses.map((of) => usageOf(resources, project, of))
}
