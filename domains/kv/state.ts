import { state, table } from '../kernel/domain.ts'
import contract, { type Progress } from './contract.ts'
import type { KeyValue } from './model.ts'

export interface Lease {
  readonly id: string
  readonly ttlSeconds: number
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
  },
)
