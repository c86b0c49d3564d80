import type { Contract, EventContract, Of, Resource, RowOf } from './contract.ts'
import type { ReadTable, Table, TableSpec } from './table.ts'

/** Who acts. */
export interface Actor {
  /** The uid of a user or service account, or the name of a process. */
  readonly principal: string
  readonly kind: 'user' | 'service_account' | 'process'
}

type AnySpec = TableSpec<never, string, string, string>

/** What a domain keeps beside its resources' rows, and the indexes of both. */
export interface StateSpec<
  C extends Contract = Contract,
  R extends { readonly [K in keyof C['resources']]?: AnySpec } = {
    readonly [K in keyof C['resources']]?: AnySpec
  },
  T extends Readonly<Record<string, AnySpec>> = Readonly<Record<string, AnySpec>>,
> {
  readonly contract: C
  readonly resources: R
  readonly tables: T
}

type IndexesOf<Spec, Part extends 'unique' | 'index' | 'sum'> = Spec extends {
  readonly [P in Part]?: infer M
}
  ? Extract<keyof NonNullable<M>, string>
  : never
type RowOfSpec<Spec> = Spec extends TableSpec<infer Row, infer _U, infer _I, infer _S> ? Row : never

/** Every resource's table has the unique index `name`: see `nameKey`. */
export type ResourceTable<R extends Resource, Spec = undefined> = ReadTable<
  RowOf<R>,
  'name' | IndexesOf<Spec, 'unique'>,
  IndexesOf<Spec, 'index'>,
  IndexesOf<Spec, 'sum'>
>

/** The read side of a domain's own state, as its decisions see it. */
export type View<S extends StateSpec> = {
  readonly [K in keyof S['contract']['resources']]: ResourceTable<
    S['contract']['resources'][K],
    K extends keyof S['resources'] ? S['resources'][K] : undefined
  >
} & {
  readonly [K in keyof S['tables']]: ReadTable<
    RowOfSpec<S['tables'][K]>,
    IndexesOf<S['tables'][K], 'unique'>,
    IndexesOf<S['tables'][K], 'index'>,
    IndexesOf<S['tables'][K], 'sum'>
  >
}

/** What evolve may write: the tables that are not resources. Resources change by the effect of their events alone. */
export type Tables<S extends StateSpec> = {
  readonly [K in keyof S['tables']]: Table<
    RowOfSpec<S['tables'][K]>,
    IndexesOf<S['tables'][K], 'unique'>,
    IndexesOf<S['tables'][K], 'index'>,
    IndexesOf<S['tables'][K], 'sum'>
  >
}

/** Declares a table that is no resource. */
export function table<Row extends object>() {
  return <const U extends string = never, const I extends string = never, const S extends string = never>(
    spec: TableSpec<Row, U, I, S> = {},
  ): TableSpec<Row, U, I, S> => spec
}

/** Declares the indexes of a resource's table. */
export function indexes<R extends Resource>(_of: R) {
  return <const U extends string = never, const I extends string = never, const S extends string = never>(
    spec: TableSpec<RowOf<R>, U, I, S>,
  ): TableSpec<RowOf<R>, U, I, S> => spec
}

/** What any part of the cloud may read of any domain: the rows of its resources. */
export interface Resources {
  /** The table of a resource, with its index `name`. */
  resource<C extends Contract, K extends Extract<keyof C['resources'], string>>(
    contract: C,
    kind: K,
  ): ResourceTable<C['resources'][K]>
  /** The rows of one kind that refer to a resource by any field. */
  referrers<C extends Contract, K extends Extract<keyof C['resources'], string>>(
    contract: C,
    kind: K,
    identity: string,
  ): readonly RowOf<C['resources'][K]>[]
  /** A domain's own view, for what it exports: a pure read. */
  view<S extends StateSpec>(state: S): View<S>
}

/** What a decision gets besides its request. Everything that is not a function of the state is recorded with the entry. */
export interface Context<S extends StateSpec = StateSpec> extends Resources {
  readonly state: View<S>
  /** The entry's time in milliseconds since 1970: never before the previous entry's. */
  readonly now: number
  /** The log index the entry will have. */
  readonly revision: number
  readonly actor: Actor
  readonly commandId: string
  /** Whether the actor has a permission everywhere, as an operator has. */
  allows(permission: string): boolean
  /** A new uid (RFC 9562 UUIDv7), from the entry's time and recorded seed. */
  uid(): string
  /** Evolves the state by an event of this domain at once, within this decision. */
  emit<K extends Extract<keyof S['contract']['events'], string>>(
    type: K,
    data: Of<S['contract']['events'][K]['message']>,
  ): void
  /** Runs a command of a contract inside this decision, under this command's permission. */
  run<C extends Contract, K extends Extract<keyof C['commands'], string>>(
    contract: C,
    command: K,
    request: RequestOf<C, K>,
  ): ResultOf<C, K>
  /** The row by its name, for a command that reads it; rejects with NOT_FOUND. */
  need<C extends Contract, K extends Extract<keyof C['resources'], string>>(
    contract: C,
    kind: K,
    scope: string,
    name: string,
  ): RowOf<C['resources'][K]>
  /** The row that this command changes: as `need`, and checks the client's `ifRevision` against it. */
  target<K extends Extract<keyof S['contract']['resources'], string>>(
    kind: K,
    scope: string,
    name: string,
  ): RowOf<S['contract']['resources'][K]>
  /** Deletes a row with all that it owns; rejects with IN_USE, naming them, while others use any of it. */
  remove<C extends Contract>(contract: C, kind: Extract<keyof C['resources'], string>, uid: string): void
}

export type RequestOf<C extends Contract, K extends keyof C['commands']> = Of<C['commands'][K]['request']>
export type ResultOf<C extends Contract, K extends keyof C['commands']> = Of<C['commands'][K]['result']>

/** One decision a command: a command without one does not compile. It is pure: the state, the request and the context decide. */
export type Decide<S extends StateSpec> = {
  readonly [K in keyof S['contract']['commands']]: (
    request: RequestOf<S['contract'], K>,
    context: Context<S>,
  ) => ResultOf<S['contract'], K>
}

export interface EvolveContext {
  readonly now: number
  readonly revision: number
}

type EvolvedByHand<E extends Readonly<Record<string, EventContract>>> = {
  [K in keyof E]: E[K]['effect'] extends null ? K : never
}[keyof E]

/** One handler for every event that is not wholly the effect on a resource's row. */
export type Evolve<S extends StateSpec> = {
  readonly [K in EvolvedByHand<S['contract']['events']>]: (
    tables: Tables<S>,
    data: Of<S['contract']['events'][K]['message']>,
    context: EvolveContext,
  ) => void
}

/** A command a process wants run. Its id derives from its cause, so that the log tells why. */
export interface Draft {
  readonly type: string
  readonly data: object
  /** What in the state made it necessary: `kind/uid@revision`. */
  readonly cause: string
}

export interface ProcessView<S extends StateSpec = StateSpec> extends Resources {
  readonly state: View<S>
  readonly now: number
  /** When a host was last heard of, in milliseconds since 1970, in this leader's memory; undefined since before its term. */
  heartbeat(host: string): number | undefined
  /** When this leader's term began. */
  readonly leaderSince: number
  /** The history in force, and the one it was restored from; '' at genesis. */
  readonly history: { readonly history: string; readonly parent: string }
}

/** Runs on the leader: looks at the state, and says which commands would bring it forward. Safe to run at any time, any number of times. */
export interface Process<S extends StateSpec = StateSpec> {
  readonly name: string
  /** At most 256 drafts a round are taken. */
  readonly plan: (view: ProcessView<S>) => readonly Draft[]
}

/** Turns the data of an older event version into the next one's. */
export type Upcast = (data: Record<string, unknown>) => Record<string, unknown>

export interface Verdict {
  readonly allowed: boolean
  /** A sentence: which binding allows it, or what is missing. */
  readonly why: string
}

/** Whether an actor has a permission at a scope: `name` is the project's or organization's name, '' for the system. */
export type Authorize = (
  resources: Resources,
  actor: Actor,
  permission: string,
  scope: 'system' | 'organization' | 'project',
  name: string,
) => Verdict

/** What a new history means for a domain's own tables, in the entry that begins it. */
export interface NewHistory {
  readonly history: string
  /** The history it goes on from; '' at genesis. */
  readonly parent: string
}

export interface Domain {
  readonly contract: Contract
  readonly state: StateSpec
  readonly decide: Readonly<Record<string, (request: never, context: never) => unknown>>
  readonly evolve: Readonly<Record<string, (tables: never, data: never, context: EvolveContext) => void>>
  /** By `Event@version`: from that version to the next. */
  readonly upcast: Readonly<Record<string, Upcast>>
  readonly processes: readonly Process<never>[]
  /** Evolves by the entry that begins a history: pure, as `evolve` is. */
  readonly adopt?: ((tables: never, history: NewHistory) => void) | undefined
  /** At most one domain (iam) decides who may do what. */
  readonly authorize: Authorize | undefined
}

/** The state's declaration: its contract, the indexes of resources, and other tables. */
export function state<
  const C extends Contract,
  const R extends { readonly [K in keyof C['resources']]?: AnySpec },
  const T extends Readonly<Record<string, AnySpec>>,
>(contract: C, resources: R, tables: T): StateSpec<C, R, T> {
  return { contract, resources, tables }
}

/** A domain: everything the kernel needs to run it. */
export function domain<S extends StateSpec>(spec: {
  readonly state: S
  readonly decide: Decide<S>
  readonly evolve: Evolve<S>
  readonly upcast?: Readonly<Record<string, Upcast>>
  readonly processes?: readonly Process<S>[]
  readonly adopt?: (tables: Tables<S>, history: NewHistory) => void
  readonly authorize?: Authorize
}): Domain {
  return {
    contract: spec.state.contract,
    state: spec.state,
    decide: spec.decide,
    evolve: spec.evolve,
    upcast: spec.upcast ?? {},
    processes: spec.processes ?? [],
    adopt: spec.adopt,
    authorize: spec.authorize,
  }
}

/** The key of the index `name` of every resource's table: the scope's name (the project; else '') and the name. */
export function nameKey(scope: string, name: string): string {
  return `${scope}/${name}`
}
