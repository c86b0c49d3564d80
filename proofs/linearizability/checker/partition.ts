import type { KvInput, KvOperation } from './operations.ts'

/**
 * Cuts a history into histories that share neither keys nor leases: each can be checked by itself (P-compositionality, Horn and
 * Kroening). Operations on several keys, and leases with their keys, tie them together.
 */
export function partition(operations: readonly KvOperation[]): readonly (readonly KvOperation[])[] {
  const sets = new DisjointSets()
  for (const { input } of operations) {
    const [first, ...others] = thingsOf(input)
    if (first !== undefined) for (const other of others) sets.join(first, other)
  }
  const parts = new Map<string, KvOperation[]>()
  for (const operation of operations) {
    const [first] = thingsOf(operation.input)
    if (first === undefined) continue
    const name = sets.find(first)
    const part = parts.get(name)
    if (part === undefined) parts.set(name, [operation])
    else part.push(operation)
  }
  return [...parts.values()]
}

/** The keys and leases that an operation is about. An interval must be one of whole groups: its keys are those with its prefix. */
function thingsOf(input: KvInput): readonly string[] {
  if (input.kind !== 'txn') return [`lease ${input.lease}`]
  const { compare, success, failure } = input
  return [
    ...compare.map(({ key }) => groupOf(key)),
    ...[...success, ...failure].flatMap((part) => [
      groupOf(part.key),
      ...(part.kind === 'put' && part.lease !== '0' ? [`lease ${part.lease}`] : []),
    ]),
  ]
}

/** Keys are `group/name`; operations on intervals take a whole group. */
function groupOf(key: string): string {
  return `key ${key.slice(0, key.lastIndexOf('/') + 1)}`
}

class DisjointSets {
  readonly #parents = new Map<string, string>()

  find(name: string): string {
    let root = name
    for (;;) {
      const parent = this.#parents.get(root)
      if (parent === undefined) break
      root = parent
    }
    if (root !== name) this.#parents.set(name, root)
    return root
  }

  join(one: string, other: string): void {
    const [left, right] = [this.find(one), this.find(other)]
    if (left !== right) this.#parents.set(left, right)
  }
}
