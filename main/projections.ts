import { balancers } from '../projections/balancers/balancers.ts'
import { hosts } from '../projections/hosts/hosts.ts'
import type { EventProjection } from '../projections/kernel/event_projection.ts'
import type { Projection } from '../projections/kernel/projection.ts'
import { keyHistory } from '../projections/keys/key_history.ts'
import { zones } from '../projections/zones/zones.ts'

/** What is derived from the resources' rows, in order. */
export const projections: readonly Projection[] = [zones, balancers, hosts]

/** What is made of events themselves. */
export const eventProjections: readonly EventProjection[] = [keyHistory]
