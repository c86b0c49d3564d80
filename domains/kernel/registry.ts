import {
  type Command,
  type Contract,
  type EventContract,
  type Reference,
  type Resource,
  referenceOf,
  type Stamps,
} from './contract.ts'
import type { Authorize, Domain, EvolveContext } from './domain.ts'
import type { StoredEvent } from './record.ts'

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

/** An event of the log that this build cannot take: the replica must stop, or replicas would drift apart. */
class EvolveError extends Error {
  constructor(message: string) {
    super(message)
    this.name = 'EvolveError'
  }
}

interface EventOf {
  readonly domain: Domain
  readonly name: string
  readonly contract: EventContract
}

export interface CommandOf {
  readonly domain: Domain
  readonly name: string
  readonly contract: Command
}

export interface PresentEvent extends EventOf {
  readonly data: Readonly<Record<string, unknown>>
}

/** A row of any resource. */
export type AnyRow = Stamps & {
  readonly uid: string
  readonly name: string
  readonly project?: string
  readonly labels: Readonly<Record<string, string>>
}

/** A resource's row after an event: the one effect that the state and the tables share. Undefined once it is deleted. */
export function affect(
  kind: Kind,
  event: PresentEvent,
  before: AnyRow | undefined,
  { now, revision }: EvolveContext,
): AnyRow | undefined {
  const { effect } = event.contract
  const uid = event.data['uid'] as string
  if ((before === undefined) !== (effect === 'created')) {
    throw new EvolveError(
      `${kind.id} ${uid} is ${before === undefined ? 'not there' : 'there already'}, for event ${event.name}`,
    )
  }
  if (effect === 'deleted') return undefined
  const stamps = {
    revision,
    createdRevision: before?.createdRevision ?? revision,
    createdAt: before?.createdAt ?? now,
    updatedAt: now,
  }
  return { ...before, ...event.data, ...stamps } as AnyRow
}

/** All domains: the one list (of those that are not internal) that services, tables, reflection, OpenAPI, CLI and docs are derived from. */
export class Registry {
  readonly domains: ReadonlyMap<string, Domain>
  /** Those that are internal too. */
  readonly all: ReadonlyMap<string, Domain>
  readonly kinds: ReadonlyMap<string, Kind>
  readonly authorizers: readonly Authorize[]
  readonly #events = new Map<string, EventOf>()
  readonly #commands = new Map<string, CommandOf>()
  readonly #kindOf = new Map<Resource, Kind>()

  /** Throws TypeError when a reference's target is not there, or two domains share a name. */
  constructor(domains: readonly Domain[]) {
    this.all = new Map(domains.map((domain) => [domain.contract.name, domain]))
    this.domains = new Map([...this.all].filter(([, { contract }]) => contract.internal !== true))
    if (this.all.size !== domains.length) throw new TypeError('two domains share a name')
    this.authorizers = domains.flatMap(({ authorize }) => (authorize === undefined ? [] : [authorize]))
    for (const domain of domains) this.#index(domain)
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

  #index(domain: Domain): void {
    const { name: of, events, commands } = domain.contract
    for (const [name, contract] of Object.entries(events))
      this.#events.set(`${of}.${name}`, { domain, name, contract })
    for (const [name, contract] of Object.entries(commands))
      this.#commands.set(`${of}.${name}`, { domain, name, contract })
  }

  /** The command `domain.Command`; undefined when there is none. */
  command(type: string): CommandOf | undefined {
    return this.#commands.get(type)
  }

  /** An event in its present shape: upcast where the log is decoded. Throws EvolveError for one that this build does not know. */
  present(event: StoredEvent): PresentEvent {
    const found = this.#events.get(event.type)
    if (found === undefined) {
      throw new EvolveError(`event ${event.type} is unknown: this build is older than the log`)
    }
    const { domain, name, contract } = found
    if (event.version > contract.version) {
      throw new EvolveError(
        `event ${event.type}@${event.version} is newer than this build, which knows version ${contract.version}`,
      )
    }
    let data = event.data
    for (let version = event.version; version < contract.version; version++) {
      const upcast = domain.upcast[`${name}@${version}`]
      if (upcast === undefined)
        throw new EvolveError(`event ${event.type}@${version} has no upcast to version ${version + 1}`)
      data = upcast({ ...data })
    }
    return { domain, name, contract, data }
  }
}
