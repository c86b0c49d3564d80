import type { Model } from './history.ts'
import { Draft } from './kv_draft.ts'
import type { KvState } from './kv_state.ts'
import type { KvInput, KvOperation, KvOutput, Part, Txn } from './operations.ts'

type Asked = Pick<KvOperation, 'id' | 'input' | 'output'>

/**
 * The part of etcd's store that clients see: keys with their value, version, revisions and lease. The revision is the whole store's:
 * where a history is of some keys only, it rises by itself in between, but never falls.
 */
export const kvModel: Model<KvState, KvInput, KvOutput> = {
  initial: { revision: 1, keys: new Map(), leases: new Set() },
  step: (state, operation) => {
    const { input } = operation
    return input.kind === 'txn' ? stepTxn(state, operation, input) : stepLease(state, operation, input)
  },
  key: ({ revision, keys, leases }) => {
    const rows = [...keys.values()]
      .sort((a, b) => (a.key < b.key ? -1 : 1))
      .map(({ key, value, version, create, mod, lease }) => [key, value, version, create, mod, lease].join())
    return [revision, rows.join(';'), [...leases].sort().join()].join('|')
  },
}

function stepTxn(state: KvState, { output }: Asked, input: Txn): readonly KvState[] {
  return pathsOf(input, output).flatMap((succeeded) => {
    const draft = new Draft(state)
    if (!(succeeded ? draft.requireAll(input.compare) : draft.canFail(input.compare))) return []
    const parts = succeeded ? input.success : input.failure
    const isLeased = parts.every(
      (part) => part.kind !== 'put' || part.lease === '0' || draft.leases.has(part.lease),
    )
    if (output?.kind === 'refused') return output.why === 'lease not found' && !isLeased ? [state] : []
    return isLeased && run(draft, parts, output) ? [draft.state] : []
  })
}

function pathsOf({ compare }: Txn, output: KvOutput | undefined): readonly boolean[] {
  if (output?.kind === 'txn' || output?.kind === 'seen') return [output.succeeded]
  return compare.length === 0 ? [true] : [true, false]
}

function run(draft: Draft, parts: readonly Part[], output: KvOutput | undefined): boolean {
  const writes = parts.some(
    (part) => part.kind === 'put' || (part.kind === 'delete' && draft.within(part).length > 0),
  )
  if (output === undefined || output.kind === 'seen') {
    if (!writes || !draft.turn(output?.revision, writes)) return false
    for (const part of parts) draft.apply(part)
    return true
  }
  if (output.kind !== 'txn' || output.answers.length !== parts.length) return false
  if (!draft.turn(output.revision, writes)) return false
  return parts.every((part, index) => {
    const isShown = draft.shows(part, output.answers[index])
    draft.apply(part)
    return isShown
  })
}

function stepLease(state: KvState, { output }: Asked, input: Exclude<KvInput, Txn>): readonly KvState[] {
  const draft = new Draft(state)
  const { lease } = input
  const isAlive = draft.leases.has(lease)
  switch (input.kind) {
    case 'grant':
      if (output?.kind === 'refused') return output.why === 'lease already exists' && isAlive ? [state] : []
      if (isAlive || !draft.turn(revisionOf(output), false)) return []
      draft.leases.add(lease)
      return [draft.state]
    case 'revoke':
    case 'expire': {
      if (output?.kind === 'refused') return output.why === 'lease not found' && !isAlive ? [state] : []
      if (!isAlive || !draft.turn(revisionOf(output), draft.attached(lease).length > 0)) return []
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
