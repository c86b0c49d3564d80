import type { Contract, RowOf } from './contract.ts'
import { DiskTable } from './disk_table.ts'
import {
  type Domain,
  type EvolveContext,
  type NewHistory,
  nameKey,
  type Resources,
  type ResourceTable,
  type StateSpec,
  type View,
} from './domain.ts'
import { MemoryTable } from './memory_table.ts'
import type { StoredEvent } from './record.ts'
import { References } from './references.ts'
import { type AnyRow, affect, type Kind, type PresentEvent, type Registry } from './registry.ts'
import { reject } from './rejection.ts'
import { Journal, type Table, type TableSpec, UniqueViolation } from './table.ts'

type AnyTable = Table

/** All tables of all domains, changed by events alone. */
export class State implements Resources {
  readonly registry: Registry
  readonly journal = new Journal()
  readonly references = new References()
  readonly #tables = new Map<string, AnyTable>()
  readonly #views = new Map<StateSpec, object>()
  readonly #writable = new Map<string, object>()

  constructor(registry: Registry) {
    this.registry = registry
    for (const domain of registry.all.values()) this.#addDomain(domain)
  }

  #addDomain({ contract, state }: Domain): void {
    const view: Record<string, AnyTable> = {}
    const writable: Record<string, AnyTable> = {}
    for (const [name, resource] of Object.entries(contract.resources)) {
      const kind = this.registry.kindOf(resource)
      const spec = (state.resources[name] ?? {}) as TableSpec<AnyRow, string, string, string>
      const named = {
        ...spec,
        unique: { ...spec.unique, name: (row: AnyRow) => nameKey(row.project ?? '', row.name) },
      }
      const watcher = (_key: string, before: object | undefined, after: object | undefined) =>
        this.references.follow(kind, before, after)
      view[name] = this.#addTable(kind.id, new MemoryTable(kind.id, named, this.journal, watcher))
    }
    for (const [name, spec] of Object.entries(state.tables)) {
      if (name in contract.resources)
        throw new TypeError(`${contract.name}.${name} is a resource and a table`)
      const id = `${contract.name}.${name}`
      writable[name] = this.#addTable(id, this.#newTable(id, spec))
      view[name] = writable[name]
    }
    this.#views.set(state, view)
    this.#writable.set(contract.name, writable)
  }

  #newTable(name: string, spec: StateSpec['tables'][string]): AnyTable {
    return spec.onDisk === true
      ? new DiskTable(name, spec, this.journal)
      : new MemoryTable(name, spec, this.journal)
  }

  #addTable(name: string, table: AnyTable): AnyTable {
    this.#tables.set(name, table)
    return table
  }

  get tables(): ReadonlyMap<string, AnyTable> {
    return this.#tables
  }

  /** Adds a table that belongs to the kernel itself. */
  addKernelTable<Row extends object, U extends string, I extends string, S extends string>(
    name: string,
    spec: TableSpec<Row, U, I, S>,
  ): Table<Row, U, I, S> {
    const made = new MemoryTable<Row, U, I, S>(`kernel.${name}`, spec, this.journal)
    this.#addTable(made.name, made)
    return made
  }

  resource<C extends Contract, K extends Extract<keyof C['resources'], string>>(
    contract: C,
    kind: K,
  ): ResourceTable<C['resources'][K]> {
    return this.rows(`${contract.name}.${kind}`) as unknown as ResourceTable<C['resources'][K]>
  }

  /** The table of a kind by its id. Throws RangeError for an unknown one. */
  rows(kind: string): Table<AnyRow> {
    const found = this.#tables.get(kind)
    if (found === undefined) throw new RangeError(`there is no table ${kind}`)
    return found as unknown as Table<AnyRow>
  }

  referrers<C extends Contract, K extends Extract<keyof C['resources'], string>>(
    contract: C,
    kind: K,
    identity: string,
  ): readonly RowOf<C['resources'][K]>[] {
    const id = `${contract.name}.${kind}`
    const table = this.rows(id)
    const target = this.#targetsOf(id).flatMap((of) => this.references.of(of, identity))
    const uids = new Set(target.filter((referrer) => referrer.kind === id).map(({ uid }) => uid))
    return [...uids].map((uid) => table.get(uid) as unknown as RowOf<C['resources'][K]>)
  }

  #targetsOf(kind: string): readonly string[] {
    return [...new Set((this.registry.kinds.get(kind) as Kind).references.map(({ target }) => target))]
  }

  view<S extends StateSpec>(state: S): View<S> {
    const found = this.#views.get(state)
    if (found === undefined) throw new RangeError(`the state of ${state.contract.name} is not registered`)
    return found as View<S>
  }

  /** Takes every row of every table out. */
  clear(): void {
    for (const table of this.#tables.values()) table.clear()
  }

  /** Evolves the state by one event. Throws EvolveError for an event that this build does not know. */
  evolve(event: StoredEvent, context: EvolveContext): void {
    const present = this.registry.present(event)
    const { domain, name, contract, data } = present
    if (contract.resource !== null) this.#affect(this.registry.kindOf(contract.resource), present, context)
    domain.evolve[name]?.(this.#writable.get(domain.contract.name) as never, data as never, context)
  }

  /** Evolves the tables of every domain that a new history concerns. */
  adopt(history: NewHistory): void {
    for (const { contract, adopt } of this.registry.all.values())
      adopt?.(this.#writable.get(contract.name) as never, history)
  }

  #affect(kind: Kind, event: PresentEvent, context: EvolveContext): void {
    const table = this.rows(kind.id)
    const uid = event.data['uid'] as string
    const after = affect(kind, event, table.get(uid), context)
    try {
      if (after === undefined) table.delete(uid)
      else table.put(uid, after)
    } catch (error) {
      if (!(error instanceof UniqueViolation) || after === undefined) throw error
      reject('ALREADY_EXISTS', alreadyExists(kind, after, error), {
        kind: kind.id,
        index: error.index,
        key: error.key,
      })
    }
  }
}

function alreadyExists(kind: Kind, row: AnyRow, error: UniqueViolation): string {
  if (error.index !== 'name') return `another ${kind.id} has the ${error.index} ${error.key}`
  return `${kind.id} ${row.name} exists already${row.project === undefined ? '' : ` in project ${row.project}`}: choose another name, or change that one`
}
