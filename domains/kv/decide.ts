import type { Decide } from '../kernel/domain.ts'
import { refusal } from './errors.ts'
import type state from './state.ts'
import { progressOf, Transaction } from './txn.ts'

export const decide: Decide<typeof state> = {
  Put: (request, context) => {
    const transaction = new Transaction(context.state, context.emit.bind(context))
    transaction.checkLease(request)
    return transaction.put(request)
  },
  DeleteRange: (request, context) =>
    new Transaction(context.state, context.emit.bind(context)).deleteRange(request),
  Txn: (request, context) => new Transaction(context.state, context.emit.bind(context)).run(request),
  Compact: ({ revision }, context) => {
    const now = progressOf(context.state)
    if (revision <= now.compacted) throw refusal('compacted')
    if (revision > now.revision) throw refusal('futureRevision')
    context.emit('Compacted', { revision })
    return { revision: now.revision }
  },
  LeaseGrant: ({ id, ttl }, context) => {
    if (id === '0') throw refusal('leaseNotFound')
    if (context.state.leases.get(id) !== undefined) throw refusal('leaseExists')
    context.emit('LeaseGranted', { id, ttlSeconds: ttl })
    return progressOf(context.state)
  },
  LeaseRevoke: ({ id }, context) => {
    if (context.state.leases.get(id) === undefined) throw refusal('leaseNotFound')
    const { revision } = progressOf(context.state)
    const attached = context.state.keys.count('lease', id)
    context.emit('LeaseRevoked', { id, revision: attached > 0 ? revision + 1 : revision })
    return progressOf(context.state)
  },
}
