import { type Contract, type EventContract, type Reference, type Resource, referenceOf } from './contract.ts'
import type { Domain } from './domain.ts'

/** A resource kind, with all that is derived of it. */
export interface Kind {
  /** `domain.resource`. */
  readonly id: string
  readonly name: string
  readonly contract: Contract
  readonly resource: Resource
  readonly references: readonly (Reference & { readonly field: string })[]
  readonly deletedEvent: string
}

/** All domains: the one list that services, tables, reflection, OpenAPI, CLI and docs are derived from. */
export class Registry {
  readonly domains: ReadonlyMap<string, Domain>
  readonly kinds: ReadonlyMap<string, Kind>
  readonly #kindOf = new Map<Resource, Kind>()

  /** Throws TypeError when a reference's target is not there, or two domains share a name. */
  constructor(domains: readonly Domain[]) {
    this.domains = new Map(domains.map((domain) => [domain.contract.name, domain]))
    if (this.domains.size !== domains.length) throw new TypeError('two domains share a name')
    for (const { contract } of domains) {
      for (const [name, resource] of Object.entries(contract.resources)) {
        const references = Object.entries(resource.message.fields).flatMap(([field, [, schema]]) => {
          const reference = referenceOf(schema)
          return reference === undefined ? [] : [{ ...reference, field }]
        })
        if (resource.scope === 'project')
          references.push({ mode: 'uses', target: 'iam.project', field: 'project' })
        const deletedEvent = Object.entries(contract.events).find(
          ([, e]) => e.resource === resource && e.effect === 'deleted',
        )?.[0] as string
        this.#kindOf.set(resource, {
          id: `${contract.name}.${name}`,
          name,
          contract,
          resource,
          references,
          deletedEvent,
        })
      }
    }
    this.kinds = new Map([...this.#kindOf.values()].map((kind) => [kind.id, kind]))
    for (const kind of this.kinds.values()) {
      for (const { field, target } of kind.references) {
        if (!this.kinds.has(target) && field !== 'project')
          throw new TypeError(`${kind.id}.${field} refers to ${target}, which is not there`)
      }
    }
  }

  /** The kind of a resource's contract. Throws RangeError for one that is not registered. */
  kindOf(resource: Resource): Kind {
    const kind = this.#kindOf.get(resource)
    if (kind === undefined) throw new RangeError(`resource ${resource.plural} is not registered`)
    return kind
  }

  /** The contract of an event by `domain.Event`; undefined when unknown. */
  event(type: string): EventContract | undefined {
    const [domain, name] = type.split('.', 2) as [string, string]
    return this.domains.get(domain)?.contract.events[name]
  }
}
