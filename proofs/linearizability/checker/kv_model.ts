import type { Model } from './history.ts'
import { Draft } from './kv_draft.ts'
import type { KeyValue, KvInput, KvOperation, KvOutput, Part, Txn } from './operations.ts'
import type { OpenRevisions } from './revisions.ts'

/** The store, as far as the operations of a history can have shown it. */
export interface KvState {
  /** The store's revision is at least this. */
  readonly revision: number
  /** Negative revisions in it are open. */
  readonly keys: ReadonlyMap<string, KeyValue>
  readonly leases: ReadonlySet<string>
  readonly open: OpenRevisions
}

type Asked = Pick<KvOperation, 'id' | 'input' | 'output'>

/**
 * The part of etcd's store that clients see: keys with their value, version, revisions and lease. The revision is the whole store's:
 * where a history is of some keys only, it rises by itself in between, but never falls.
 */
export const kvModel: Model<KvState, KvInput, KvOutput> = {
  initial: { revision: 1, keys: new Map(), leases: new Set(), open: [] },
  step: (state, operation) => {
    const { input } = operation
    return input.kind === 'txn' ? stepTxn(state, operation, input) : stepLease(state, operation, input)
  },
  key: ({ revision, keys, leases, open }) => {
    const rows = [...keys.values()]
      .sort((a, b) => (a.key < b.key ? -1 : 1))
      .map(({ key, value, version, create, mod, lease }) => [key, value, version, create, mod, lease].join())
    const opens = open.map(({ id, low, high }) => [id, low, high].join())
    return [revision, rows.join(';'), [...leases].sort().join(), opens.join(';')].join('|')
  },
}

function stepTxn(state: KvState, { id, output }: Asked, input: Txn): readonly KvState[] {
  const paths =
    output?.kind === 'txn' ? [output.succeeded] : input.compare.length === 0 ? [true] : [true, false]
  return paths.flatMap((succeeded) =>
    compared(new Draft(state), input, succeeded).flatMap((draft) => {
      const parts = succeeded ? input.success : input.failure
      const isLeased = parts.every(
        (part) => part.kind !== 'put' || part.lease === '0' || draft.leases.has(part.lease),
      )
      if (output?.kind === 'refused') return output.why === 'lease not found' && !isLeased ? [state] : []
      if (!isLeased || (output !== undefined && output.kind !== 'txn')) return []
      return run(draft, id, parts, output)
    }),
  )
}

/** The ways in which the comparisons can have come out like this: an open revision can be one thing or another. */
function compared(draft: Draft, { compare }: Txn, succeeded: boolean): readonly Draft[] {
  if (succeeded) return compare.every((each) => draft.requireEqual(each)) ? [draft] : []
  return compare.flatMap((each) => draft.unequal(each))
}

function run(
  draft: Draft,
  id: number,
  parts: readonly Part[],
  output: Extract<KvOutput, { kind: 'txn' }> | undefined,
): readonly KvState[] {
  const writes = parts.some(
    (part) => part.kind === 'put' || (part.kind === 'delete' && draft.within(part).length > 0),
  )
  if (output === undefined && !writes) return []
  if (!draft.turn(id, output?.revision, writes)) return []
  if (output !== undefined && output.answers.length !== parts.length) return []
  for (const [index, part] of parts.entries()) {
    if (!draft.shows(part, output?.answers[index])) return []
    draft.apply(part)
  }
  return [draft.state]
}

function stepLease(state: KvState, { id, output }: Asked, input: Exclude<KvInput, Txn>): readonly KvState[] {
  const draft = new Draft(state)
  const { lease } = input
  const isAlive = draft.leases.has(lease)
  switch (input.kind) {
    case 'grant':
      if (output?.kind === 'refused') return output.why === 'lease already exists' && isAlive ? [state] : []
      if (isAlive || !draft.turn(id, revisionOf(output), false)) return []
      draft.leases.add(lease)
      return [draft.state]
    case 'revoke':
    case 'expire': {
      if (output?.kind === 'refused') return output.why === 'lease not found' && !isAlive ? [state] : []
      if (!isAlive || !draft.turn(id, revisionOf(output), draft.attached(lease).length > 0)) return []
      for (const key of draft.attached(lease)) draft.keys.delete(key)
      draft.leases.delete(lease)
      return [draft.state]
    }
    case 'keepalive':
      return output?.kind === 'kept' && output.alive === isAlive && output.revision >= state.revision
        ? [state]
        : []
    case 'inspect': {
      if (output?.kind !== 'inspected' || output.alive !== isAlive || output.revision < state.revision)
        return []
      const same = draft.attached(lease).sort().join() === [...output.keys].sort().join()
      return !isAlive || same ? [state] : []
    }
  }
}

function revisionOf(output: KvOutput | undefined): number | undefined {
  return output !== undefined && 'revision' in output ? output.revision : undefined
}
