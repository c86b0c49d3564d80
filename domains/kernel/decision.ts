import type { Contract, EventContract, Of, RowOf } from './contract.ts'
import {
  type Actor,
  type Context,
  type Domain,
  nameKey,
  type ResourceTable,
  type StateSpec,
  type View,
} from './domain.ts'
import { parseRequest } from './parse.ts'
import type { StoredEvent } from './record.ts'
import { identities } from './references.ts'
import type { AnyRow, Kind } from './registry.ts'
import { Rejection, reject } from './rejection.ts'
import type { State } from './state.ts'
import { seededUuid } from './uuid.ts'

/** A cascade that could be larger must be a process. */
const EVENTS_MAX = 4096

/** What is recorded of a decision besides its request, so that it could be taken again. */
export interface Circumstances {
  /** Milliseconds since 1970. */
  readonly now: number
  readonly revision: number
  readonly seed: string
  readonly actor: Actor
  readonly commandId: string
  readonly ifRevision: number | undefined
}

/** One decision under way: its events so far, over any domains, already evolved into the state. */
export class Decision {
  readonly events: StoredEvent[] = []
  readonly state: State
  readonly circumstances: Circumstances
  #uids = 0
  #preconditionUsed = false

  readonly #strict: boolean

  /** `strict`: the events of internal contracts are checked, too. */
  constructor(state: State, strict: boolean, circumstances: Circumstances) {
    this.state = state
    this.#strict = strict
    this.circumstances = circumstances
  }

  /** Runs a command with a parsed request, and whatever it composes. Throws Rejection; the caller rolls the state back. */
  run(domain: Domain, command: string, request: object): Readonly<Record<string, unknown>> {
    const decide = domain.decide[command]
    const contract = domain.contract.commands[command]
    if (decide === undefined || contract === undefined)
      return reject('UNKNOWN_COMMAND', `there is no command ${domain.contract.name}.${command}`)
    const result = decide(request as never, new DecisionContext(this, domain) as never)
    if (!contract.recorded) return result as Readonly<Record<string, unknown>>
    const parsed = contract.result.schema.safeParse(result)
    if (!parsed.success)
      return reject(
        'INTERNAL',
        `${domain.contract.name}.${command} gave a result that does not fit its contract: ${parsed.error.message}`,
      )
    return plain(parsed.data)
  }

  /** To be called once the outermost command is decided. */
  finish(command: string): void {
    if (this.circumstances.ifRevision === undefined || this.#preconditionUsed) return
    reject('INVALID_ARGUMENT', `${command} changes no single resource, so it takes no ifRevision`, {
      field: 'ifRevision',
    })
  }

  emit(contract: Contract, type: string, data: object): void {
    const event = contract.events[type]
    if (event === undefined) return reject('INTERNAL', `${contract.name} has no event ${type}`)
    if (this.events.length >= EVENTS_MAX)
      return reject('TOO_LARGE', `it would take more than ${EVENTS_MAX} events: do it in parts`)
    const trusted = contract.internal === true && !this.#strict
    const fitting = trusted
      ? (data as Readonly<Record<string, unknown>>)
      : this.#fitting(contract, type, data)
    const stored = { type: `${contract.name}.${type}`, version: event.version, data: fitting }
    const savepoint = this.state.journal.savepoint()
    try {
      this.state.evolve(stored, this.circumstances)
    } catch (error) {
      this.state.journal.rollback(savepoint)
      throw error
    }
    this.events.push(stored)
  }

  /** An event's data as its contract has it, and as it will be read back from the log. */
  #fitting(contract: Contract, type: string, data: object): Readonly<Record<string, unknown>> {
    const event = contract.events[type] as EventContract
    const parsed = event.message.schema.safeParse(data)
    if (!parsed.success)
      return reject(
        'INTERNAL',
        `event ${contract.name}.${type} does not fit its contract: ${parsed.error.message}`,
      )
    if (event.resource !== null && event.effect !== 'deleted')
      this.#resolve(this.state.registry.kindOf(event.resource), parsed.data)
    return plain(parsed.data)
  }

  /** All that an action emits or none of it: also when whoever runs it takes its rejection and goes on. */
  attempt<T>(action: () => T): T {
    const savepoint = this.state.journal.savepoint()
    const events = this.events.length
    try {
      return action()
    } catch (error) {
      this.state.journal.rollback(savepoint)
      this.events.length = events
      throw error
    }
  }

  #resolve(kind: Kind, data: Readonly<Record<string, unknown>>): void {
    for (const { field, target } of kind.references) {
      const targetKind = this.state.registry.kinds.get(target)
      if (targetKind === undefined) continue
      for (const identity of identities(data, field)) {
        const rows = this.state.rows(target)
        const found =
          targetKind.resource.identity === 'uid'
            ? rows.get(identity)
            : rows.find('name', nameKey('', identity))
        if (found === undefined)
          reject('NOT_FOUND', `${target} ${identity} does not exist`, { kind: target, name: identity })
      }
    }
  }

  uid(): string {
    return seededUuid(this.circumstances.now, this.circumstances.seed, this.#uids++)
  }

  need(kind: string, scope: string, name: string): AnyRow {
    const row = this.state.rows(kind).find('name', nameKey(scope, name))
    const where = scope === '' ? '' : ` in project ${scope}`
    return row ?? reject('NOT_FOUND', `${kind} ${name} does not exist${where}`, { kind, name })
  }

  target(kind: string, scope: string, name: string): AnyRow {
    const row = this.need(kind, scope, name)
    const { ifRevision } = this.circumstances
    this.#preconditionUsed = true
    if (ifRevision !== undefined && row.revision !== ifRevision) {
      reject(
        'REVISION_MISMATCH',
        `${kind} ${name} is at revision ${row.revision}, not ${ifRevision}: read it again`,
        { revision: row.revision, ifRevision },
      )
    }
    return row
  }

  remove(kindId: string, uid: string): void {
    const { registry } = this.state
    const doomed = new Map<string, { kind: Kind; row: AnyRow }>()
    const order: { kind: Kind; row: AnyRow }[] = []
    const visit = (kind: Kind, id: string): void => {
      const key = `${kind.id} ${id}`
      const row = this.state.rows(kind.id).get(id)
      if (doomed.has(key) || row === undefined) return
      if (doomed.size >= EVENTS_MAX)
        reject(
          'TOO_LARGE',
          `${kind.id} ${row.name} and what it owns are more than ${EVENTS_MAX} resources: delete them in parts`,
        )
      const entry = { kind, row }
      doomed.set(key, entry)
      for (const { kind: child, uid: childUid, mode } of this.#referrersTo(kind, row)) {
        if (mode === 'owner') visit(registry.kinds.get(child) as Kind, childUid)
      }
      order.push(entry)
    }
    visit(registry.kinds.get(kindId) as Kind, uid)
    const blockers = order.flatMap(({ kind, row }) =>
      this.#referrersTo(kind, row)
        .filter((referrer) => !doomed.has(`${referrer.kind} ${referrer.uid}`))
        .map((referrer) => ({ user: referrer, used: `${kind.id} ${row.name}` })),
    )
    if (blockers.length > 0) {
      const users = blockers
        .slice(0, 8)
        .map(
          ({ user, used }) => `${user.kind} ${this.state.rows(user.kind).get(user.uid)?.name} uses ${used}`,
        )
      const more = blockers.length > users.length ? `, and ${blockers.length - users.length} more` : ''
      reject('IN_USE', `it cannot be deleted: ${users.join(', ')}${more}`, { users, total: blockers.length })
    }
    for (const { kind, row } of order) this.emit(kind.contract, kind.deletedEvent, { uid: row.uid })
  }

  #referrersTo(kind: Kind, row: AnyRow) {
    return this.state.references.of(kind.id, kind.resource.identity === 'uid' ? row.uid : row.name)
  }
}

/** A domain's side of a decision: what it emits is of that domain. */
class DecisionContext implements Context {
  readonly #decision: Decision
  readonly #domain: Domain
  readonly state: View<StateSpec>
  readonly now: number
  readonly revision: number
  readonly actor: Actor
  readonly commandId: string

  constructor(decision: Decision, domain: Domain) {
    this.#decision = decision
    this.#domain = domain
    this.state = decision.state.view(domain.state)
    this.now = decision.circumstances.now
    this.revision = decision.circumstances.revision
    this.actor = decision.circumstances.actor
    this.commandId = decision.circumstances.commandId
  }

  allows(permission: string): boolean {
    const { state } = this.#decision
    return [...state.registry.all.values()].every(
      ({ authorize }) => authorize?.(state, this.actor, permission, 'system', '').allowed ?? true,
    )
  }

  uid(): string {
    return this.#decision.uid()
  }

  emit(type: string, data: object): void {
    this.#decision.emit(this.#domain.contract, type, data)
  }

  run<C extends Contract, K extends Extract<keyof C['commands'], string>>(
    contract: C,
    command: K,
    request: Of<C['commands'][K]['request']>,
  ): Of<C['commands'][K]['result']> {
    const domain = this.#decision.state.registry.all.get(contract.name)
    const of = contract.commands[command]
    if (domain === undefined || of === undefined)
      return reject('INTERNAL', `there is no command ${contract.name}.${command}`)
    const parsed = parseRequest(`${contract.name}.${command}`, of.request, request)
    return this.#decision.attempt(() => this.#decision.run(domain, command, parsed)) as Of<
      C['commands'][K]['result']
    >
  }

  resource<C extends Contract, K extends Extract<keyof C['resources'], string>>(
    contract: C,
    kind: K,
  ): ResourceTable<C['resources'][K]> {
    return this.#decision.state.resource(contract, kind)
  }

  referrers<C extends Contract, K extends Extract<keyof C['resources'], string>>(
    contract: C,
    kind: K,
    identity: string,
  ): readonly RowOf<C['resources'][K]>[] {
    return this.#decision.state.referrers(contract, kind, identity)
  }

  view<S extends StateSpec>(state: S): View<S> {
    return this.#decision.state.view(state)
  }

  need<C extends Contract, K extends Extract<keyof C['resources'], string>>(
    contract: C,
    kind: K,
    scope: string,
    name: string,
  ): RowOf<C['resources'][K]> {
    return this.#decision.need(`${contract.name}.${kind}`, scope, name) as unknown as RowOf<C['resources'][K]>
  }

  target(kind: string, scope: string, name: string): never {
    return this.#decision.target(`${this.#domain.contract.name}.${kind}`, scope, name) as never
  }

  remove<C extends Contract>(contract: C, kind: Extract<keyof C['resources'], string>, uid: string): void {
    this.#decision.attempt(() => this.#decision.remove(`${contract.name}.${kind}`, uid))
  }
}

/** Whatever was thrown while deciding, as a rejection. */
export function asRejection(error: unknown): Rejection {
  if (error instanceof Rejection) return error
  return new Rejection('INTERNAL', error instanceof Error ? error.message : String(error))
}

/** As it will be read back from the log: without keys that are undefined. */
function plain(data: object): Readonly<Record<string, unknown>> {
  return JSON.parse(JSON.stringify(data)) as Record<string, unknown>
}
