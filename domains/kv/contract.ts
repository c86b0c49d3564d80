import { z } from 'zod'
import { command, contract, event } from '../kernel/contract.ts'
import {
  Bytes,
  type DeleteAnswer,
  deleteFields,
  Key,
  LeaseId,
  type OperationAnswer,
  type PutAnswer,
  putFields,
  Revision,
  txnFields,
} from './model.ts'

export type { KeyValue } from './model.ts'

/** After a restore revisions go on from here on: beyond any that a client of the lost history can have seen. */
const RESTORE_JUMP = 1_000_000_000

/** How far the store is. A new one is at revision 1, and nothing of it is compacted. */
export interface Progress {
  readonly revision: number
  /** Reads below it are refused; -1 before the first compaction. */
  readonly compacted: number
}

export const BEGINNING: Progress = { revision: 1, compacted: -1 }

/** Where the store goes on after a restore: what was before can no more be read or watched, so that clients begin anew. */
export function afterRestore({ revision }: Progress): Progress {
  return { revision: revision + RESTORE_JUMP, compacted: revision + RESTORE_JUMP }
}

/** The rows are too many for one entry: they go in the entries that follow, and until then nobody reads or writes these keys. */
const Swept = z.literal(true).optional()

const write = { permission: 'kv.keys.write', scope: 'system', recorded: false } as const
const lease = { permission: 'kv.leases.write', scope: 'system', recorded: false } as const

/** Keys with revisions, and leases: what the etcd edge stands on. */
export default contract({
  name: 'kv',
  doc: 'Keys with revisions, and leases, by the etcd v3 protocol.',
  internal: true,
  resources: {},
  commands: {
    Put: command({
      ...write,
      doc: 'Sets a key',
      request: putFields.fields,
      result: { revision: [1, Revision], previous: [2, z.custom<PutAnswer['previous']>()] },
    }),
    DeleteRange: command({
      ...write,
      doc: 'Deletes the keys of an interval',
      request: deleteFields.fields,
      result: {
        revision: [1, Revision],
        deleted: [2, z.int()],
        previous: [3, z.custom<DeleteAnswer['previous']>()],
      },
    }),
    Txn: command({
      ...write,
      doc: 'Compares, then does the one or the other, all in one revision',
      request: txnFields.fields,
      result: {
        revision: [1, Revision],
        succeeded: [2, z.boolean()],
        answers: [3, z.custom<readonly OperationAnswer[]>()],
      },
    }),
    Compact: command({
      ...write,
      doc: 'Forgets what was before a revision',
      permission: 'kv.keys.compact',
      request: { revision: [1, Revision] },
      result: { revision: [1, Revision] },
    }),
    LeaseGrant: command({
      ...lease,
      doc: 'Grants a lease',
      request: { id: [1, LeaseId], ttl: [2, z.int().min(1)] },
      result: { revision: [1, Revision] },
    }),
    LeaseRevoke: command({
      ...lease,
      doc: 'Revokes a lease, and deletes the keys attached to it',
      request: { id: [1, LeaseId] },
      result: { revision: [1, Revision] },
    }),
    Sweep: command({
      ...write,
      doc: 'Takes out some of the rows of what is deleted and too large to go at once',
      request: {},
      result: { revision: [1, Revision] },
    }),
  },
  events: {
    Put: event({
      revision: [1, Revision],
      key: [2, Key],
      value: [3, Bytes],
      createRevision: [4, Revision],
      version: [5, z.int().min(1)],
      lease: [6, LeaseId],
    }),
    /** Every key there was in an interval: a bounded event, however many they were. */
    Deleted: event({ revision: [1, Revision], key: [2, Key], rangeEnd: [3, Bytes], swept: [4, Swept] }),
    Compacted: event({ revision: [1, Revision] }),
    LeaseGranted: event({ id: [1, LeaseId], ttlSeconds: [2, z.int().min(1)] }),
    /** The keys attached to it are deleted in this revision; with none, it is the one before still. */
    LeaseRevoked: event({ id: [1, LeaseId], revision: [2, Revision], swept: [3, Swept] }),
    /** The next so many rows of what is being swept are gone. */
    Swept: event({ rows: [1, z.int().min(1)] }),
  },
})
