import { z } from 'zod'

/** A field's number on the wire (never changed, never used again) and its shape. */
export type Field<T extends z.ZodType = z.ZodType> = readonly [number: number, schema: T]
export type Fields = Readonly<Record<string, Field>>

type Shape<F extends Fields> = { [K in keyof F]: F[K][1] }

export interface Message<F extends Fields = Fields> {
  readonly fields: F
  readonly schema: z.ZodObject<Shape<F>, z.core.$strict>
}

export type Of<M extends Message> = z.output<M['schema']>

const messages = new WeakMap<z.core.$ZodType, Message>()

/** The message whose schema this is, also when refined since; undefined for any other schema. */
export function messageOf(schema: z.core.$ZodType): Message | undefined {
  const found = messages.get(schema)
  if (found !== undefined) return found
  return schema._zod.parent === undefined ? undefined : messageOf(schema._zod.parent)
}

/** A message of numbered fields. Throws TypeError when two fields share a number. */
export function message<const F extends Fields>(fields: F): Message<F> {
  const names = new Map<number, string>()
  for (const [name, [number]] of Object.entries(fields)) {
    const other = names.get(number)
    if (!Number.isInteger(number) || number < 1)
      throw new TypeError(`field ${name}: ${number} is no field number`)
    if (other !== undefined) throw new TypeError(`fields ${other} and ${name} share the number ${number}`)
    names.set(number, name)
  }
  const shape = Object.fromEntries(Object.entries(fields).map(([name, [, schema]]) => [name, schema]))
  const made = { fields, schema: z.strictObject(shape as Shape<F>) }
  messages.set(made.schema, made)
  return made
}

/** `owner`: deleting the target deletes the row that refers to it. `uses`: the reference blocks that deletion. */
export type ReferenceMode = 'owner' | 'uses'

export interface Reference {
  readonly mode: ReferenceMode
  /** `domain.resource` of the target. */
  readonly target: string
}

const byteSchemas = new WeakSet<z.core.$ZodType>()

/** Bytes, as they are. gRPC alone carries them: JSON has no form for them. */
export function bytes(): z.ZodType<Uint8Array> {
  const schema = z.custom<Uint8Array>((value) => value instanceof Uint8Array, 'must be bytes')
  byteSchemas.add(schema)
  return schema
}

/** Whether a schema was made with `bytes`, also when described since. */
export function isBytes(schema: z.core.$ZodType): boolean {
  if (byteSchemas.has(schema)) return true
  return schema._zod.parent !== undefined && isBytes(schema._zod.parent)
}

const references = new WeakMap<z.ZodType, Reference>()

/** A field that holds the uid of a resource which may not be deleted while it is referred to. */
export function uses(target: string): z.ZodString {
  const schema = z.string().min(1).max(64)
  references.set(schema, { mode: 'uses', target })
  return schema
}

/** A field that holds the uid of the resource that owns this one: they are deleted together. */
export function owner(target: string): z.ZodString {
  const schema = z.string().min(1).max(64)
  references.set(schema, { mode: 'owner', target })
  return schema
}

/** The reference declared on a field, also through `nullable`, `default` and `array`; undefined when there is none. */
export function referenceOf(schema: z.ZodType): Reference | undefined {
  const found = references.get(schema)
  if (found !== undefined) return found
  const definition = schema.def as { innerType?: z.ZodType; element?: z.ZodType }
  const inner = definition.innerType ?? definition.element
  return inner === undefined ? undefined : referenceOf(inner)
}

/** Where a resource lives and a command is authorized. */
export type Scope = 'system' | 'organization' | 'project'

/** RFC 1123 label: what resources are called. */
export const Name = z
  .string()
  .regex(
    /^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/,
    'must be 1 to 63 of a-z, 0-9 and -, beginning and ending with a letter or digit',
  )
export const Labels = z
  .record(z.string().min(1).max(63), z.string().max(255))
  .refine((labels) => Object.keys(labels).length <= 64, 'must be 64 labels at most')
export const Uid = z.string().min(1).max(64)

const common = {
  uid: [1, Uid],
  name: [3, z.string().min(1).max(255)],
  labels: [4, Labels],
} as const satisfies Fields
const projectField = { project: [2, Name] } as const satisfies Fields
const noFields = {} as const satisfies Fields

type Common<S extends Scope> = typeof common & (S extends 'project' ? typeof projectField : typeof noFields)

export interface Resource<F extends Fields = Fields, S extends Scope = Scope> {
  readonly doc: string
  readonly plural: string
  readonly scope: S
  /** References to this resource hold its uid, or (projects and organizations) its name. */
  readonly identity: 'uid' | 'name'
  /** What a row holds, besides `revision`, `createdRevision`, `createdAt` and `updatedAt`, which the kernel keeps. */
  readonly message: Message<F & Common<S>>
}

/** What the kernel adds to each row: log indexes and entry times in milliseconds since 1970. */
export interface Stamps {
  readonly revision: number
  readonly createdRevision: number
  readonly createdAt: number
  readonly updatedAt: number
}

export type RowOf<R extends Resource> = Readonly<Of<R['message']>> & Stamps

/** A kind of resource. Own fields are numbered from 10; none is optional (use `nullable`), so that an update can say everything. */
export function resource<const F extends Fields, const S extends Scope>(spec: {
  readonly doc: string
  readonly plural: string
  readonly scope: S
  readonly identity?: 'uid' | 'name'
  readonly fields: F
}): Resource<F, S> {
  for (const [name, [number, schema]] of Object.entries(spec.fields)) {
    if (number < 10) throw new TypeError(`resource field ${name}: numbers below 10 are the kernel's`)
    if (schema instanceof z.ZodOptional)
      throw new TypeError(`resource field ${name}: use nullable, not optional`)
  }
  const fields = { ...common, ...(spec.scope === 'project' ? projectField : noFields), ...spec.fields }
  return {
    doc: spec.doc,
    plural: spec.plural,
    scope: spec.scope,
    identity: spec.identity ?? 'uid',
    message: message(fields as unknown as F & Common<S>),
  }
}

export interface Command<Q extends Message = Message, A extends Message = Message> {
  readonly doc: string
  /** `domain.plural.verb`. */
  readonly permission: string
  /** Which field of the request says where it is authorized: `project`, `organization`, or none for `system`. */
  readonly scope: Scope
  readonly request: Q
  readonly result: A
  /**
   * False: the log holds the events alone, neither the request nor the result, which then takes no check either. For commands of an
   * internal contract whose payload would else be stored twice; they take no command id, as there is no answer to give again.
   */
  readonly recorded: boolean
}

/** A command of the contract. */
export function command<const Q extends Fields, const A extends Fields>(spec: {
  readonly doc: string
  readonly permission: string
  readonly scope: Scope
  readonly request: Q
  readonly result: A
  readonly recorded?: boolean
}): Command<Message<Q>, Message<A>> {
  if (spec.scope !== 'system' && !(spec.scope in spec.request)) {
    throw new TypeError(`command "${spec.doc}": scope ${spec.scope} needs a field of that name`)
  }
  return {
    ...spec,
    request: message(spec.request),
    result: message(spec.result),
    recorded: spec.recorded ?? true,
  }
}

export type Effect = 'created' | 'updated' | 'deleted' | null

export interface EventContract<M extends Message = Message, E extends Effect = Effect> {
  /** What the kernel does to the resource's row, in the state and in the tables projection alike; null: the domain's evolve does it all. */
  readonly effect: E
  readonly resource: Resource | null
  readonly version: number
  readonly message: M
}

/** A row appears; the payload is the whole row. */
export function created<R extends Resource>(of: R, version = 1): EventContract<R['message'], 'created'> {
  return { effect: 'created', resource: of, version, message: of.message }
}

type Updated<R extends Resource> = {
  [K in keyof R['message']['fields']]: K extends 'uid'
    ? R['message']['fields'][K]
    : Field<z.ZodOptional<R['message']['fields'][K][1]>>
}

/** A row changes; the payload is its uid and the new values of the fields that change. */
export function updated<R extends Resource>(
  of: R,
  version = 1,
): EventContract<Message<Updated<R>>, 'updated'> {
  const fields = Object.entries(of.message.fields).map(([name, [number, schema]]) => [
    name,
    [number, name === 'uid' ? schema : schema.optional()],
  ])
  return {
    effect: 'updated',
    resource: of,
    version,
    message: message(Object.fromEntries(fields) as Updated<R>),
  }
}

/** A row is gone. */
export function deleted(
  of: Resource,
  version = 1,
): EventContract<Message<{ readonly uid: Field<z.ZodString> }>, 'deleted'> {
  return { effect: 'deleted', resource: of, version, message: message({ uid: [1, Uid] }) }
}

/** An event that is no change of one resource's row. */
export function event<const F extends Fields>(fields: F, version = 1): EventContract<Message<F>, null> {
  return { effect: null, resource: null, version, message: message(fields) }
}

export interface Contract<
  N extends string = string,
  R extends Readonly<Record<string, Resource>> = Readonly<Record<string, Resource>>,
  C extends Readonly<Record<string, Command>> = Readonly<Record<string, Command>>,
  E extends Readonly<Record<string, EventContract>> = Readonly<Record<string, EventContract>>,
> {
  readonly name: N
  readonly doc: string
  /** True: an edge of its own speaks for it, and nothing is derived from it. */
  readonly internal?: boolean
  readonly resources: R
  readonly commands: C
  readonly events: E
}

/** A domain's contract. Throws TypeError for a resource without the events that create and delete it. */
export function contract<
  const N extends string,
  const R extends Readonly<Record<string, Resource>>,
  const C extends Readonly<Record<string, Command>>,
  const E extends Readonly<Record<string, EventContract>>,
>(spec: Contract<N, R, C, E>): Contract<N, R, C, E> {
  for (const [name, { recorded }] of Object.entries(spec.commands)) {
    if (!recorded && spec.internal !== true)
      throw new TypeError(`${spec.name}.${name}: only commands of an internal contract may go unrecorded`)
  }
  const known = new Set<Resource>(Object.values(spec.resources))
  for (const [name, { resource: of }] of Object.entries(spec.events)) {
    if (of !== null && !known.has(of))
      throw new TypeError(`${spec.name}.${name}: its resource is not one of this contract's`)
  }
  for (const [kind, of] of Object.entries(spec.resources)) {
    for (const effect of ['created', 'deleted'] as const) {
      const found = Object.values(spec.events).filter((e) => e.resource === of && e.effect === effect)
      if (found.length !== 1)
        throw new TypeError(`${spec.name}.${kind}: ${found.length} events with the effect ${effect}, not one`)
    }
  }
  return spec
}
