import type { View } from '../kernel/domain.ts'
import type { Size } from './place.ts'
import type state from './state.ts'

/** What of a host is given out: to whatever may run there. */
export function usageOf({ incarnation }: View<typeof state>, host: string): Size {
  return {
    vcpus: incarnation.sum('vcpus', host),
    memoryMebibytes: incarnation.sum('memoryMebibytes', host),
  }
}
