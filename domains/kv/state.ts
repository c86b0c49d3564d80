import { state, table } from '../kernel/domain.ts'
import contract, { type Progress } from './contract.ts'
import type { KeyValue } from './model.ts'

export interface Lease {
  readonly id: string
  readonly ttlSeconds: number
}

/** What is deleted and has rows yet: all others are as the present revision has them. */
export interface Sweep {
  /** In the order in which they are swept; `to` is null where there is no end. */
  readonly intervals: readonly { readonly from: string; readonly to: string | null }[]
  /** A lease that is revoked: its rows from a key on; null for none. */
  readonly lease: { readonly id: string; readonly from: string } | null
}

export default state(
  contract,
  {},
  {
    keys: table<KeyValue>()({
      onDisk: true,
      index: { lease: ({ lease }) => (lease === '0' ? undefined : lease) },
    }),
    leases: table<Lease>()(),
    /** One row, `current`. */
    progress: table<Progress>()(),
    /** One row, `current`, while something is being swept. */
    sweep: table<Sweep>()(),
  },
)
