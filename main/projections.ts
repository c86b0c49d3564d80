import { balancers } from '../projections/balancers/balancers.ts'
import { hosts } from '../projections/hosts/hosts.ts'
import type { Projection } from '../projections/kernel/projection.ts'
import { zones } from '../projections/zones/zones.ts'

/** What is derived from the resources' rows, in order. */
export const projections: readonly Projection[] = [zones, balancers, hosts]
