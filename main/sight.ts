import type { Actor } from '../domains/kernel/domain.ts'
import type { Engine } from '../domains/kernel/engine.ts'
import type { AnyRow, Kind } from '../domains/kernel/registry.ts'
import type { EventView, LogEntryView } from '../edges/control_plane.ts'
import { type Place, placeOf, readPermission, system, verdict } from './visibility.ts'

type Named = Pick<AnyRow, 'name' | 'project'>

/**
 * What an actor sees of entries of the log. One entry may concern many tenants (a host is fenced with all that it ran), and one
 * that an actor may know of may hold what it may not: events about rows that it cannot read are left out, and then the request is, too.
 */
export class Sight {
  readonly #engine: Engine
  readonly #actor: Actor
  /** Rows by uid, also those that are gone, from the events that made them. */
  readonly #made = new Map<string, Named>()
  readonly #verdicts = new Map<string, boolean>()

  constructor(engine: Engine, actor: Actor) {
    this.#engine = engine
    this.#actor = actor
  }

  /** To be asked in the order of the log: what one entry makes is known in those that follow. */
  of(entry: LogEntryView): LogEntryView {
    for (const event of entry.events) this.#learn(event)
    const events = entry.events.filter((event) => this.#sees(event))
    return events.length === entry.events.length ? entry : { ...entry, request: {}, events }
  }

  #learn({ type, data }: EventView): void {
    if (this.#contract(type).effect === 'created')
      this.#made.set(String(data['uid']), data as unknown as Named)
  }

  #sees({ type, data }: EventView): boolean {
    const { kind } = this.#contract(type)
    if (kind === undefined) return this.#may('cluster.log.get', system)
    const uid = String(data['uid'])
    const row = this.#made.get(uid) ?? this.#engine.state.rows(kind.id).get(uid)
    const place = row === undefined ? system : placeOf(kind, row.name, row.project)
    return this.#may(readPermission(kind), place)
  }

  #contract(type: string): { readonly effect: string | null; readonly kind: Kind | undefined } {
    const { registry } = this.#engine
    const [domain = '', name = ''] = type.split('.', 2)
    const event = registry.domains.get(domain)?.contract.events[name]
    const resource = event?.resource ?? null
    return { effect: event?.effect ?? null, kind: resource === null ? undefined : registry.kindOf(resource) }
  }

  #may(permission: string, place: Place): boolean {
    const key = `${permission} ${place.scope} ${place.name}`
    let allowed = this.#verdicts.get(key)
    if (allowed === undefined) {
      allowed = verdict(this.#engine, this.#actor, permission, place).allowed
      this.#verdicts.set(key, allowed)
    }
    return allowed
  }
}
