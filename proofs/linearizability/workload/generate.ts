import { type Comparison, type KeyValue, type KvInput, type Part, txn } from '../checker/operations.ts'
import type { Group } from './groups.ts'
import type { Random } from './random.ts'

/** A read that need not be of the present: of one member's state, or of the past. */
export interface Look {
  readonly kind: 'look'
  readonly part: Extract<Part, { kind: 'get' }>
  readonly serializable: boolean
  /** 0: the present. */
  readonly revision: number
}

const LEASES_MAX = 12

/** What one client does next: its values are unique, and its comparisons are with what it has seen last. */
export class Generator {
  readonly #client: number
  readonly #random: Random
  readonly #seen = new Map<string, KeyValue>()
  #revision = 1
  #values = 0

  constructor(client: number, random: Random) {
    this.#client = client
    this.#random = random
  }

  /** The client was shown a key; or that there is none. */
  see(key: string, found: KeyValue | undefined): void {
    if (found === undefined) this.#seen.delete(key)
    else {
      this.#seen.set(key, found)
      this.#revision = Math.max(this.#revision, found.mod)
    }
  }

  next(group: Group): KvInput | Look {
    const random = this.#random
    if (random.chance(group.isLeased ? 0.5 : 0.04)) return this.#lease(group)
    const key = random.pick(group.keys)
    const dice = random.fraction()
    if (dice < 0.22) return txn([{ kind: 'get', key }])
    if (dice < 0.3) return txn([{ kind: 'get', key: group.prefix, end: group.end }])
    if (dice < 0.52) return txn([this.#put(group, key)])
    if (dice < 0.6) return txn([{ kind: 'delete', key, previous: random.chance(0.5) }])
    if (dice < 0.63)
      return txn([{ kind: 'delete', key: group.prefix, end: group.end, previous: random.chance(0.5) }])
    if (dice < 0.8) return this.#compareAndSwap(group, key)
    if (dice < 0.92) return txn(this.#several(group))
    return this.#look(group, key)
  }

  #put(group: Group, key: string): Extract<Part, { kind: 'put' }> {
    const lease = group.leases.length > 0 && this.#random.chance(0.1) ? this.#random.pick(group.leases) : '0'
    return { kind: 'put', key, value: this.#value(), lease, previous: this.#random.chance(0.4) }
  }

  #value(): string {
    return `${this.#client}.${++this.#values}`
  }

  #compareAndSwap(group: Group, key: string): KvInput {
    const compare = [this.#comparison(key)]
    const other = this.#random.pick(group.keys)
    if (other !== key && this.#random.chance(0.2)) compare.push(this.#comparison(other))
    const success = [this.#put(group, key)]
    const failure: readonly Part[] = this.#random.chance(0.7) ? [{ kind: 'get', key }] : []
    return { kind: 'txn', compare, success, failure }
  }

  #comparison(key: string): Comparison {
    const seen = this.#seen.get(key)
    if (seen === undefined) return { key, target: 'create', operand: 0 }
    const target = this.#random.pick(['mod', 'mod', 'version', 'value', 'create'] as const)
    return { key, target, operand: seen[target] }
  }

  /** Two keys in one revision, or a read of what the transaction has just written. */
  #several(group: Group): readonly Part[] {
    const [one = '', other = ''] = this.#random.chance(0.5) ? group.keys : group.keys.toReversed()
    switch (this.#random.below(3)) {
      case 0:
        return [this.#put(group, one), this.#put(group, other)]
      case 1:
        return [this.#put(group, one), { kind: 'get', key: group.prefix, end: group.end }]
      default:
        return [
          { kind: 'get', key: other },
          this.#put(group, one),
          { kind: 'delete', key: other, previous: true },
        ]
    }
  }

  #lease(group: Group): KvInput {
    const { leases } = group
    const dice = this.#random.fraction()
    const last = leases.at(-1)
    if (last === undefined || (dice < 0.15 && leases.length < LEASES_MAX)) {
      const lease = String(1 + this.#random.below(0x3fff_ffff) * 1024 + this.#client)
      leases.push(lease)
      return { kind: 'grant', lease, ttlSeconds: 2 }
    }
    const lease = this.#random.chance(0.7) ? last : this.#random.pick(leases)
    if (dice < 0.5) return txn([{ ...this.#put(group, this.#random.pick(group.keys)), lease }])
    if (dice < 0.7) return { kind: 'keepalive', lease }
    if (dice < 0.8) return { kind: 'inspect', lease }
    if (dice < 0.86) return { kind: 'revoke', lease }
    return txn([{ kind: 'get', key: group.prefix, end: group.end }])
  }

  #look(group: Group, key: string): Look {
    const part: Look['part'] = this.#random.chance(0.5)
      ? { kind: 'get', key }
      : { kind: 'get', key: group.prefix, end: group.end }
    const isPast = this.#random.chance(0.4)
    const revision = isPast ? Math.max(2, this.#revision - this.#random.below(40)) : 0
    return { kind: 'look', part, serializable: !isPast || this.#random.chance(0.5), revision }
  }
}
