import type { KvState } from './kv_model.ts'
import { type Comparison, isWithin, type KeyValue, type Part, type PartAnswer } from './operations.ts'
import { capped, narrowed, type OpenRevisions, opened, trimmed } from './revisions.ts'

/** A state while an operation works on it. */
export class Draft {
  readonly keys: Map<string, KeyValue>
  readonly leases: Set<string>
  #revision: number
  #open: OpenRevisions
  /** What the operation's writes are told by: its revision, or the id of its open one. */
  #own = 0

  constructor({ keys, leases, revision, open }: KvState) {
    this.keys = new Map(keys)
    this.leases = new Set(leases)
    this.#revision = revision
    this.#open = open
  }

  get state(): KvState {
    const isUsed = (id: number): boolean =>
      [...this.keys.values()].some(({ create, mod }) => create === id || mod === id)
    const { keys, leases } = this
    return { keys, leases, revision: this.#revision, open: trimmed(this.#open, isUsed) }
  }

  within(part: { readonly key: string; readonly end?: string }): readonly KeyValue[] {
    return [...this.keys.values()]
      .filter(({ key }) => isWithin(part, key))
      .sort((a, b) => (a.key < b.key ? -1 : 1))
  }

  attached(lease: string): string[] {
    return [...this.keys.values()].filter((each) => each.lease === lease).map(({ key }) => key)
  }

  /** The revision at which the operation's answer stands, or an open one. False when it cannot. */
  turn(id: number, revision: number | undefined, writes: boolean): boolean {
    if (revision === undefined) {
      if (!writes) return true
      this.#own = -(id + 1)
      this.#revision += 1
      this.#open = opened(this.#open, this.#own, this.#revision)
      return true
    }
    if (writes ? revision <= this.#revision : revision < this.#revision) return false
    const open = capped(this.#open, writes ? revision - 1 : revision)
    if (open === undefined) return false
    this.#open = open
    this.#revision = revision
    this.#own = revision
    return true
  }

  /** Whether a part was answered as it must have been. */
  shows(part: Part, answer: PartAnswer | undefined): boolean {
    if (answer === undefined) return true
    if (answer.kind !== part.kind) return false
    switch (answer.kind) {
      case 'get':
        return part.kind === 'get' && this.#areAs(this.within(part), answer.found)
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

  /** A comparison holds. False when it cannot. */
  requireEqual({ key, target, operand }: Comparison): boolean {
    const found = this.keys.get(key)
    if (target === 'value') return found !== undefined && found.value === operand
    if (target === 'version') return (found?.version ?? 0) === operand
    return this.#is(found?.[target] ?? 0, Number(operand))
  }

  /** The ways in which a comparison can fail. */
  unequal({ key, target, operand }: Comparison): readonly Draft[] {
    const found = this.keys.get(key)
    const same = new Draft(this.state)
    if (target === 'value') return found !== undefined && found.value === operand ? [] : [same]
    if (target === 'version') return (found?.version ?? 0) === operand ? [] : [same]
    const revision = found?.[target] ?? 0
    const other = Number(operand)
    if (revision >= 0) return revision === other ? [] : [same]
    const bounds = [
      [Number.NEGATIVE_INFINITY, other - 1],
      [other + 1, Number.POSITIVE_INFINITY],
    ] as const
    return bounds.flatMap(([low, high]) => {
      const open = narrowed(this.#open, revision, low, high)
      if (open === undefined) return []
      const draft = new Draft(this.state)
      draft.#open = open
      return [draft]
    })
  }

  #areAs(found: readonly KeyValue[], seen: readonly KeyValue[]): boolean {
    return (
      found.length === seen.length &&
      found.every(({ key, value, version, lease }, index) => {
        const shown = seen[index] as KeyValue
        if (shown.key !== key || shown.value !== value) return false
        if (shown.version !== version || shown.lease !== lease) return false
        // Learning one revision can change what is known of the key: it is looked at anew.
        return (
          this.#is((this.keys.get(key) as KeyValue).create, shown.create) &&
          this.#is((this.keys.get(key) as KeyValue).mod, shown.mod)
        )
      })
    )
  }

  /** Whether a revision, which may be an open one, can be this: it is from now on. */
  #is(revision: number, shown: number): boolean {
    if (revision >= 0) return revision === shown
    const open = narrowed(this.#open, revision, shown, shown)
    if (open === undefined) return false
    this.#open = open
    for (const [key, each] of this.keys) {
      if (each.create !== revision && each.mod !== revision) continue
      const create = each.create === revision ? shown : each.create
      this.keys.set(key, { ...each, create, mod: each.mod === revision ? shown : each.mod })
    }
    return true
  }
}
