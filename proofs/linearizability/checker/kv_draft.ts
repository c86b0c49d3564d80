import { type KvState, UNSEEN_REVISION } from './kv_state.ts'
import { type Comparison, isWithin, type KeyValue, type Part, type PartAnswer } from './operations.ts'

/** A state while an operation works on it. */
export class Draft {
  readonly keys: Map<string, KeyValue>
  readonly leases: Set<string>
  #revision: number
  /** The revision of the operation's writes. */
  #own = UNSEEN_REVISION

  constructor({ keys, leases, revision }: KvState) {
    this.keys = new Map(keys)
    this.leases = new Set(leases)
    this.#revision = revision
  }

  get state(): KvState {
    return { keys: this.keys, leases: this.leases, revision: this.#revision }
  }

  within(part: { readonly key: string; readonly end?: string }): readonly KeyValue[] {
    return [...this.keys.values()]
      .filter(({ key }) => isWithin(part, key))
      .sort((a, b) => (a.key < b.key ? -1 : 1))
  }

  attached(lease: string): string[] {
    return [...this.keys.values()].filter((each) => each.lease === lease).map(({ key }) => key)
  }

  /** The revision that the operation was answered with, if it is known. False when it cannot be. */
  turn(revision: number | undefined, writes: boolean): boolean {
    if (revision === undefined) return true
    if (writes ? revision <= this.#revision : revision < this.#revision) return false
    this.#revision = revision
    this.#own = revision
    return true
  }

  /** Whether a part was answered as it must have been. */
  shows(part: Part, answer: PartAnswer | undefined): boolean {
    if (answer?.kind !== part.kind) return false
    switch (answer.kind) {
      case 'get':
        return this.#areAs(this.within(part), answer.found)
      case 'put': {
        const previous = part.kind === 'put' && part.previous ? this.within(part) : []
        return this.#areAs(previous, answer.previous === undefined ? [] : [answer.previous])
      }
      case 'delete': {
        if (part.kind !== 'delete') return false
        const found = this.within(part)
        return answer.deleted === found.length && this.#areAs(part.previous ? found : [], answer.previous)
      }
    }
  }

  apply(part: Part): void {
    if (part.kind === 'delete') for (const { key } of this.within(part)) this.keys.delete(key)
    if (part.kind !== 'put') return
    const { key, value, lease } = part
    const before = this.keys.get(key)
    this.keys.set(key, {
      key,
      value,
      version: (before?.version ?? 0) + 1,
      create: before?.create ?? this.#own,
      mod: this.#own,
      lease,
    })
  }

  /** All comparisons hold: what was not known is known from now on. False when they cannot. */
  requireAll(comparisons: readonly Comparison[]): boolean {
    return comparisons.every(({ key, target, operand }) => {
      const found = this.keys.get(key)
      if (target === 'value') return found !== undefined && found.value === operand
      if (target === 'version') return (found?.version ?? 0) === operand
      if (found === undefined) return operand === 0
      return this.#learn(found, target, Number(operand))
    })
  }

  /** Whether one of the comparisons can fail. */
  canFail(comparisons: readonly Comparison[]): boolean {
    return comparisons.some(({ key, target, operand }) => {
      const found = this.keys.get(key)
      return target === 'value' ? found?.value !== operand : (found?.[target] ?? 0) !== operand
    })
  }

  #areAs(found: readonly KeyValue[], seen: readonly KeyValue[]): boolean {
    return (
      found.length === seen.length &&
      found.every((kv, index) => {
        const shown = seen[index] as KeyValue
        const { key, value, version, lease } = kv
        if (shown.key !== key || shown.value !== value) return false
        if (shown.version !== version || shown.lease !== lease) return false
        return this.#learn(kv, 'mod', shown.mod) && this.#learn(kv, 'create', shown.create)
      })
    )
  }

  /** Whether a revision of a key, which may be an unseen one, can be this: it is from now on. */
  #learn(kv: KeyValue, field: 'create' | 'mod', shown: number): boolean {
    if (kv[field] !== UNSEEN_REVISION) return kv[field] === shown
    if (shown < 2) return false
    this.keys.set(kv.key, { ...(this.keys.get(kv.key) ?? kv), [field]: shown })
    return true
  }
}
