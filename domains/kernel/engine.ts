import { asRejection, Decision } from './decision.ts'
import { Dedupe } from './dedupe.ts'
import type { Actor } from './domain.ts'
import { parseRequest } from './parse.ts'
import { type DecisionRecord, type LogRecord, requestHash } from './record.ts'
import type { Registry } from './registry.ts'
import { reject } from './rejection.ts'
import { State } from './state.ts'
import type { Table } from './table.ts'

export interface CommandRequest {
  /** `domain.Command`. */
  readonly type: string
  readonly data: unknown
  readonly actor: Actor
  /** UUIDv7; '' for what needs no dedupe. */
  readonly commandId: string
  readonly ifRevision?: number | undefined
  readonly cause?: string | undefined
}

/** The entry's place: both are known before it is decided. */
export interface Place {
  readonly revision: number
  /** Milliseconds since 1970. */
  readonly now: number
  /** Fresh randomness, from which the decision's uids derive. */
  readonly seed: string
}

export type Outcome =
  | {
      readonly kind: 'decided'
      readonly record: DecisionRecord
      /** What the caller gets: the recorded result, or the one of a command that records none. */
      readonly result: Readonly<Record<string, unknown>>
    }
  | {
      readonly kind: 'duplicate'
      readonly revision: number
      readonly result: Readonly<Record<string, unknown>>
    }

export interface History {
  readonly history: string
  readonly parent: string
  readonly parentRevision: number
  readonly revision: number
}

/** Decides commands and evolves the state. Pure: no clock, no randomness, no disk. */
export class Engine {
  readonly registry: Registry
  readonly state: State
  readonly #strict: boolean
  readonly #dedupe: Dedupe
  readonly #histories: Table<History, never, never, never>

  /**
   * The requests and events of internal contracts are taken as they are: whoever speaks for them has made them. `strict` parses these,
   * too; tests do.
   */
  constructor(registry: Registry, acceptedMax?: number, strict = false) {
    this.registry = registry
    this.#strict = strict
    this.state = new State(registry)
    this.#dedupe = new Dedupe(this.state, acceptedMax)
    this.#histories = this.state.addKernelTable<History, never, never, never>('history', {})
  }

  /** The history in force; undefined before genesis. */
  get history(): History | undefined {
    return this.#histories.get('current')
  }

  /**
   * Decides one command on the present state. When it is decided, the state is evolved and the writes wait in the journal.
   * Throws Rejection, and then nothing has changed.
   */
  decide(request: CommandRequest, place: Place): Outcome {
    const savepoint = this.state.journal.savepoint()
    try {
      return this.#decide(request, place)
    } catch (error) {
      this.state.journal.rollback(savepoint)
      throw asRejection(error)
    }
  }

  /** What a command would lead to: the same decision, with nothing kept. */
  dryRun(request: CommandRequest, place: Place): DecisionRecord {
    const savepoint = this.state.journal.savepoint()
    try {
      const outcome = this.#decide({ ...request, commandId: '' }, place)
      return outcome.kind === 'decided'
        ? outcome.record
        : reject('INTERNAL', 'a dry run without a command id met a duplicate')
    } catch (error) {
      throw asRejection(error)
    } finally {
      this.state.journal.rollback(savepoint)
    }
  }

  #decide(request: CommandRequest, { now, revision, seed }: Place): Outcome {
    const { type, actor, commandId } = request
    const { domain, name, contract } = this.command(type)
    const trusted = domain.contract.internal === true && !this.#strict
    const parsed = (trusted ? request.data : parseRequest(type, contract.request, request.data)) as Readonly<
      Record<string, unknown>
    >
    this.authorize(
      actor,
      contract.permission,
      contract.scope,
      contract.scope === 'system' ? '' : String(parsed[contract.scope]),
    )
    if (commandId !== '' && !contract.recorded)
      reject('INVALID_ARGUMENT', `${type} takes no command id: its answer is not remembered`, {
        field: 'commandId',
      })
    const hash = commandId === '' ? '' : requestHash(type, parsed)
    if (commandId !== '') {
      const found = this.#dedupe.find(actor.principal, commandId, hash, now)
      if (found !== undefined) return { kind: 'duplicate', revision: found.revision, result: found.result }
    }
    const decision = new Decision(this.state, this.#strict, {
      now,
      revision,
      seed,
      actor,
      commandId,
      ifRevision: request.ifRevision,
    })
    const result = decision.run(domain, name, parsed)
    decision.finish(type)
    this.#dedupe.accept(actor.principal, commandId, hash, revision, result)
    const record: DecisionRecord = {
      kind: 'decision',
      time: now,
      command: type,
      request: contract.recorded ? parsed : {},
      commandId,
      actor: actor.principal,
      actorKind: actor.kind,
      cause: request.cause ?? '',
      result: contract.recorded ? result : {},
      events: decision.events,
    }
    return { kind: 'decided', record, result }
  }

  /** Evolves the state by a committed entry. Throws EvolveError for one that this build cannot take. */
  apply(record: LogRecord, revision: number): void {
    if (record.kind === 'history') {
      const { history, parent, parentRevision } = record
      this.#histories.put('current', { history, parent, parentRevision, revision })
      this.state.adopt({ history, parent })
      return
    }
    for (const event of record.events) this.state.evolve(event, { now: record.time, revision })
    this.#dedupe.accept(
      record.actor,
      record.commandId,
      record.commandId === '' ? '' : requestHash(record.command, record.request),
      revision,
      record.result,
    )
  }

  /** Rejects with PERMISSION_DENIED, saying what is missing. */
  authorize(
    actor: Actor,
    permission: string,
    scope: 'system' | 'organization' | 'project',
    name: string,
  ): void {
    for (const authorize of this.registry.authorizers) {
      const verdict = authorize(this.state, actor, permission, scope, name)
      if (!verdict.allowed) reject('PERMISSION_DENIED', verdict.why, { permission, scope, name })
    }
  }

  /** The contract of a command by `domain.Command`. Rejects with UNKNOWN_COMMAND. */
  command(type: string) {
    return this.registry.command(type) ?? reject('UNKNOWN_COMMAND', `there is no command ${type}`, { type })
  }
}
