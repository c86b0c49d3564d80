import type { EvolveContext } from '../../domains/kernel/domain.ts'
import {
  type AnyRow,
  affect,
  type Kind,
  type PresentEvent,
  type Registry,
} from '../../domains/kernel/registry.ts'
import type { ResourceChange } from './projection.ts'
import type { CachedRow } from './row_cache.ts'
import type { RowSet } from './row_set.ts'

/** What an entry does to a row. */
interface RowChange {
  readonly kind: Kind
  readonly row: CachedRow
  readonly before: AnyRow | undefined
  after: AnyRow | undefined
  /** What it was last, also where it is gone. */
  last: AnyRow
}

/** A row that changed in an entry is looked for among so many; beyond, in a map. */
const SEARCHED_MAX = 16

/** Gathers what the events of one entry do to the rows of resources: each row changes once, however many of them concern it. */
export class EntryChanges {
  readonly #registry: Registry
  readonly #set: (kind: string) => RowSet
  readonly #context: EvolveContext
  /** In the order in which they first changed. */
  readonly rows: RowChange[] = []
  #byRow: Map<CachedRow, RowChange> | undefined

  constructor(registry: Registry, set: (kind: string) => RowSet, context: EvolveContext) {
    this.#registry = registry
    this.#set = set
    this.#context = context
  }

  /** In order. */
  take(event: PresentEvent): void {
    const { resource } = event.contract
    if (resource === null) return
    const kind = this.#registry.kindOf(resource)
    const set = this.#set(kind.id)
    const row = set.row(event.data['uid'] as string)
    const known = this.#find(row)
    if (known !== undefined) {
      known.after = affect(kind, event, known.after, this.#context)
      known.last = known.after ?? known.last
      return
    }
    const before = set.dataOf(row) as AnyRow | undefined
    const after = affect(kind, event, before, this.#context)
    this.rows.push({ kind, row, before, after, last: (after ?? before) as AnyRow })
    if (this.rows.length > SEARCHED_MAX) this.#index()
  }

  /** Those that are there, or were before: not what came and went. */
  get changed(): readonly ResourceChange[] {
    const changed: ResourceChange[] = []
    for (const { kind, before, after } of this.rows)
      if (before !== undefined || after !== undefined) changed.push({ kind: kind.id, before, after })
    return changed
  }

  #find(row: CachedRow): RowChange | undefined {
    if (this.rows.length > SEARCHED_MAX) return this.#byRow?.get(row)
    for (const change of this.rows) if (change.row === row) return change
    return undefined
  }

  #index(): void {
    this.#byRow ??= new Map()
    for (let i = this.#byRow.size; i < this.rows.length; i++) {
      const change = this.rows[i] as RowChange
      this.#byRow.set(change.row, change)
    }
  }
}
