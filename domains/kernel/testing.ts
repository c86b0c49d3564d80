import type { Contract, Of } from './contract.ts'
import type { Actor, Domain } from './domain.ts'
import { Engine } from './engine.ts'
import { type DecisionRecord, decodeRecord, encodeRecord } from './record.ts'
import { Registry } from './registry.ts'
import type { Code, Rejection } from './rejection.ts'
import type { State } from './state.ts'

const root: Actor = { principal: 'process:test', kind: 'process' }

/** An engine without a log: each decision is applied at once, at revisions 1, 2, 3, … For tests of domains. */
export class Scenario {
  readonly registry: Registry
  readonly engine: Engine
  /** Everything accepted so far, as the log would hold it. */
  readonly records: DecisionRecord[] = []
  /** Milliseconds since 1970; tests move it. */
  now = 1_700_000_000_000
  #seed = 0

  constructor(domains: readonly Domain[]) {
    this.registry = new Registry(domains)
    this.engine = new Engine(this.registry, undefined, true)
  }

  get state(): State {
    return this.engine.state
  }

  /** Runs a command that must be accepted; throws its Rejection otherwise. */
  run<C extends Contract, K extends Extract<keyof C['commands'], string>>(
    contract: C,
    command: K,
    request: object,
    as: { readonly actor?: Actor; readonly commandId?: string; readonly ifRevision?: number } = {},
  ): Of<C['commands'][K]['result']> {
    const place = { revision: this.records.length + 1, now: this.now, seed: `seed ${this.#seed++}` }
    const outcome = this.engine.decide(
      {
        type: `${contract.name}.${command}`,
        data: request,
        actor: as.actor ?? root,
        commandId: as.commandId ?? '',
        ifRevision: as.ifRevision,
      },
      place,
    )
    if (outcome.kind === 'decided') this.records.push(outcome.record)
    this.engine.state.journal.take()
    return outcome.result as Of<C['commands'][K]['result']>
  }

  /** Runs a command that must be rejected, and checks that it has changed nothing. Throws Error when it is accepted. */
  rejected<C extends Contract>(
    contract: C,
    command: Extract<keyof C['commands'], string>,
    request: object,
    code: Code,
    as: { readonly actor?: Actor; readonly commandId?: string; readonly ifRevision?: number } = {},
  ): Rejection {
    const before = dump(this.state)
    let rejection: Rejection | undefined
    try {
      this.run(contract, command, request, as)
    } catch (error) {
      rejection = error as Rejection
    }
    if (rejection === undefined) throw new Error(`${contract.name}.${command} was accepted`)
    if (rejection.code !== code)
      throw new Error(
        `${contract.name}.${command} was rejected with ${rejection.code}, not ${code}: ${rejection.message}`,
        { cause: rejection },
      )
    if (dump(this.state) !== before)
      throw new Error(`${contract.name}.${command} was rejected, and yet it changed the state`)
    return rejection
  }

  /** The events of the last accepted command. */
  get events(): readonly { readonly type: string; readonly data: Readonly<Record<string, unknown>> }[] {
    return this.records.at(-1)?.events ?? []
  }

  /** Fails unless replaying the stored bytes of all records gives the same state, byte for byte. */
  checkReplay(): void {
    const replayed = new Engine(this.registry)
    this.records.forEach((record, i) => replayed.apply(decodeRecord(encodeRecord(record)), i + 1))
    if (dump(replayed.state) !== dump(this.state))
      throw new Error('replaying the records gives another state than the live one')
  }
}

/** Every row of every table, as text: two states are the same when their dumps are. */
export function dump(state: State): string {
  const tables = [...state.tables].sort(([a], [b]) => (a < b ? -1 : 1))
  return JSON.stringify(tables.map(([name, table]) => [name, [...table.values()].map(sortKeys)]))
}

function sortKeys(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(sortKeys)
  if (typeof value !== 'object' || value === null) return value
  return Object.fromEntries(
    Object.entries(value)
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(([key, part]) => [key, sortKeys(part)]),
  )
}
