import type { Kind } from '../domains/kernel/registry.ts'
import { Rejection } from '../domains/kernel/rejection.ts'

/**
 * Refuses a filter by what is neither `label.x` nor a field of the kind: nothing would ever match it. `beside` is what else can be asked for in
 * the same place.
 */
export function checkFilter(
  kind: Kind,
  filter: Readonly<Record<string, string>>,
  beside: readonly string[] = [],
): void {
  const known = new Set([...Object.keys(kind.resource.message.fields), 'revision', 'createdRevision'])
  const unknown = Object.keys(filter).filter((key) => !key.startsWith('label.') && !known.has(key))
  if (unknown.length === 0) return
  const fields = unknown.map((field) => ({ field, problem: 'unknown field' }))
  const others = beside.length === 0 ? '' : `, beside the parameters ${beside.join(', ')}`
  throw new Rejection(
    'INVALID_ARGUMENT',
    `${kind.id} can not be filtered by ${unknown.join(', ')}; it takes label.<name> and ${[...known].join(', ')}${others}`,
    { fields },
  )
}
