import type { EvolveContext } from '../../domains/kernel/domain.ts'
import {
  type AnyRow,
  affect,
  type Kind,
  type PresentEvent,
  type Registry,
} from '../../domains/kernel/registry.ts'
import type { ResourceChange } from './projection.ts'
import type { ResourceRows } from './resource_rows.ts'
import type { Place } from './row_set.ts'

/** What an entry does to a row. */
interface RowChange {
  readonly kind: Kind
  readonly place: Place
  readonly before: AnyRow | undefined
  after: AnyRow | undefined
}

/** Gathers what the events of one entry do to the rows of resources: each row changes once, however many of them concern it. */
export class EntryChanges {
  readonly #registry: Registry
  readonly #resources: ResourceRows
  readonly #context: EvolveContext
  readonly #rows = new Map<string, RowChange>()

  constructor(registry: Registry, resources: ResourceRows, context: EvolveContext) {
    this.#registry = registry
    this.#resources = resources
    this.#context = context
  }

  /** In order. */
  take(event: PresentEvent): void {
    const { resource } = event.contract
    if (resource === null) return
    const kind = this.#registry.kindOf(resource)
    const uid = event.data['uid'] as string
    const id = `${kind.id} ${uid}`
    const known = this.#rows.get(id)
    const before = known === undefined ? this.#resources.row(kind.id, uid) : known.after
    const after = affect(kind, event, before, this.#context)
    if (known !== undefined && after !== undefined && after.name === known.place.name) {
      known.after = after
      return
    }
    const { project = '', name } = (after ?? before) as AnyRow
    const place = { key: uid, slice: '', project, name }
    this.#rows.set(id, { kind, place, before: known === undefined ? before : known.before, after })
  }

  get rows(): Iterable<RowChange> {
    return this.#rows.values()
  }

  /** Those that are there, or were before: not what came and went. */
  get changed(): readonly ResourceChange[] {
    const changed: ResourceChange[] = []
    for (const { kind, before, after } of this.#rows.values())
      if (before !== undefined || after !== undefined) changed.push({ kind: kind.id, before, after })
    return changed
  }
}
