import { type Code, Rejection } from '../kernel/rejection.ts'

/** The words by which etcd's clients tell its errors apart (etcd 3.4, api/v3rpc/rpctypes/error.go). */
const words = {
  keyNotFound: ['INVALID_ARGUMENT', 'etcdserver: key not found'],
  leaseNotFound: ['NOT_FOUND', 'etcdserver: requested lease not found'],
  leaseExists: ['FAILED_PRECONDITION', 'etcdserver: lease already exists'],
  compacted: ['REVISION_COMPACTED', 'etcdserver: mvcc: required revision has been compacted'],
  tooManyKeys: [
    'TOO_LARGE',
    'etcdserver: too many keys to read in txn request: read ranges of more than 20000 outside of it',
  ],
  tooManyKeysCommitted: [
    'TOO_LARGE',
    'etcdserver: too many keys of the past to read in txn request: what it writes is committed all the same',
  ],
  putAmongSwept: [
    'TOO_LARGE',
    'etcdserver: too many keys to delete in txn request that puts one among them: do it in two',
  ],
  futureRevision: ['REVISION_UNKNOWN', 'etcdserver: mvcc: required revision is a future revision'],
} as const satisfies Record<string, readonly [Code, string]>

/** A refusal in etcd's words. */
export function refusal(why: keyof typeof words): Rejection {
  const [code, message] = words[why]
  return new Rejection(code, message)
}
