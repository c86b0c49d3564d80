import {
  type Comparison,
  isWithin,
  type KeyValue,
  type KvInput,
  type KvOutput,
  type Part,
  type PartAnswer,
  type Txn,
} from './operations.ts'

/** A store that answers as etcd's does, one operation after the other: what the checker's model is compared with. */
export class ConcreteStore {
  readonly keys: Map<string, KeyValue>
  readonly leases: Set<string>
  revision: number

  constructor(from?: ConcreteStore) {
    this.keys = new Map(from?.keys)
    this.leases = new Set(from?.leases)
    this.revision = from?.revision ?? 1
  }

  /** Does an operation; what it changes gets the revision `at`, if that is above the store's. Undefined when it would not be. */
  do(input: KvInput, at: number): KvOutput | undefined {
    const writes = this.writes(input)
    if (writes ? at <= this.revision : at < this.revision) return undefined
    const output = this.#do(input, at)
    if (output.kind !== 'refused') this.revision = at
    return output
  }

  /** Whether an operation would make a new revision now. */
  writes(input: KvInput): boolean {
    switch (input.kind) {
      case 'txn': {
        const parts = this.#path(input)
        if (this.#refuses(parts)) return false
        return parts.some(
          (part) => part.kind === 'put' || (part.kind === 'delete' && this.#within(part).length > 0),
        )
      }
      case 'revoke':
      case 'expire':
        return this.leases.has(input.lease) && this.#attached(input.lease).length > 0
      default:
        return false
    }
  }

  #do(input: KvInput, revision: number): KvOutput {
    if (input.kind === 'txn') return this.#txn(input, revision)
    const { lease } = input
    const isAlive = this.leases.has(lease)
    switch (input.kind) {
      case 'grant':
        if (isAlive) return { kind: 'refused', why: 'lease already exists' }
        this.leases.add(lease)
        return { kind: 'granted', revision }
      case 'revoke':
      case 'expire':
        if (!isAlive) return { kind: 'refused', why: 'lease not found' }
        for (const key of this.#attached(lease)) this.keys.delete(key)
        this.leases.delete(lease)
        return { kind: 'revoked', revision }
      case 'keepalive':
        return { kind: 'kept', revision, alive: isAlive }
      case 'inspect':
        return { kind: 'inspected', revision, alive: isAlive, keys: this.#attached(lease) }
    }
  }

  #txn(input: Txn, revision: number): KvOutput {
    const parts = this.#path(input)
    if (this.#refuses(parts)) return { kind: 'refused', why: 'lease not found' }
    const succeeded = input.compare.every((each) => this.#holds(each))
    return { kind: 'txn', revision, succeeded, answers: parts.map((part) => this.#part(part, revision)) }
  }

  #path({ compare, success, failure }: Txn): readonly Part[] {
    return compare.every((each) => this.#holds(each)) ? success : failure
  }

  #refuses(parts: readonly Part[]): boolean {
    return parts.some((part) => part.kind === 'put' && part.lease !== '0' && !this.leases.has(part.lease))
  }

  #holds({ key, target, operand }: Comparison): boolean {
    const found = this.keys.get(key)
    return (found === undefined ? (target === 'value' ? undefined : 0) : found[target]) === operand
  }

  #part(part: Part, revision: number): PartAnswer {
    const found = this.#within(part)
    switch (part.kind) {
      case 'get':
        return { kind: 'get', found }
      case 'put': {
        const [before] = found
        const { key, value, lease } = part
        const version = (before?.version ?? 0) + 1
        this.keys.set(key, { key, value, version, create: before?.create ?? revision, mod: revision, lease })
        return { kind: 'put', previous: part.previous ? before : undefined }
      }
      case 'delete':
        for (const { key } of found) this.keys.delete(key)
        return { kind: 'delete', deleted: found.length, previous: part.previous ? found : [] }
    }
  }

  #within(part: Part): readonly KeyValue[] {
    return [...this.keys.values()]
      .filter(({ key }) => isWithin(part, key))
      .sort((a, b) => (a.key < b.key ? -1 : 1))
  }

  #attached(lease: string): string[] {
    return [...this.keys.values()].filter((each) => each.lease === lease).map(({ key }) => key)
  }
}
