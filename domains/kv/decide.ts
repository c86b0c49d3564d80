import type { Decide } from '../kernel/domain.ts'
import { refusal } from './errors.ts'
import { bounds, EVERYTHING } from './interval.ts'
import type state from './state.ts'
import { checkSwept, isLarge, ROWS_AT_ONCE } from './sweep.ts'
import { progressOf, Transaction } from './txn.ts'

export const decide: Decide<typeof state> = {
  Put: (request, context) => {
    checkSwept(context.state, [bounds(request.key, '')])
    const transaction = new Transaction(context.state, context.emit.bind(context))
    transaction.checkLease(request)
    return transaction.put(request)
  },
  DeleteRange: (request, context) => {
    checkSwept(context.state, [bounds(request.key, request.rangeEnd)])
    return new Transaction(context.state, context.emit.bind(context)).deleteRange(request)
  },
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
    checkSwept(context.state, [EVERYTHING])
    const { revision } = progressOf(context.state)
    const attached = context.state.keys.count('lease', id)
    const next = attached > 0 ? revision + 1 : revision
    context.emit('LeaseRevoked', { id, revision: next, ...(isLarge(attached) && { swept: true }) })
    return progressOf(context.state)
  },
  Sweep: (_, context) => {
    if (context.state.sweep.get('current') !== undefined) context.emit('Swept', { rows: ROWS_AT_ONCE })
    return progressOf(context.state)
  },
}
