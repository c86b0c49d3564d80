import type { KeyValue } from './operations.ts'

/** Of what an operation without an answer wrote, and no client was ever shown. */
export const UNSEEN_REVISION = -1

/** The store, as far as the operations of a history can have shown it. */
export interface KvState {
  /** The last revision of the store that an answer told. */
  readonly revision: number
  readonly keys: ReadonlyMap<string, KeyValue>
  readonly leases: ReadonlySet<string>
}
