import type { z } from 'zod'
import { isBytes, type Message, messageOf } from '../contract.ts'
import { enumName, fieldName, itemName, pascalCase } from './names.ts'
import type { ProtoEnum, ProtoField, ProtoMessage, Scalar } from './proto.ts'

/** Messages that have a name of their own; every other message is nested where it is used. */
export type NamedMessages = ReadonlyMap<Message, string>

type Schema = z.core.$ZodType

type Shape = Pick<ProtoField, 'kind' | 'type' | 'shape'>

/** A field's schema without what only says when it may be absent. */
interface Bare {
  readonly schema: Schema
  readonly nullable: boolean
  readonly optional: boolean
  /** Absent and empty mean the same. */
  readonly emptyByDefault: boolean
}

/** Derives the protobuf message of a contract's. Throws TypeError, naming the field, for a shape that has no form on the wire. */
export function deriveMessage(
  fullName: string,
  message: Message,
  named: NamedMessages,
  doc = '',
): ProtoMessage {
  return new MessageDerivation(fullName, named).run(message, doc)
}

class MessageDerivation {
  readonly #fullName: string
  readonly #named: NamedMessages
  readonly #enums: ProtoEnum[] = []
  readonly #messages: ProtoMessage[] = []
  /** Fields of one type share it. */
  readonly #derived = new Map<Message | Schema, string>()

  constructor(fullName: string, named: NamedMessages) {
    this.#fullName = fullName
    this.#named = named
  }

  run(message: Message, doc: string): ProtoMessage {
    const fields = Object.entries(message.fields)
      .map(([key, [number, schema]]) => this.#field(key, number, schema))
      .sort((a, b) => a.number - b.number)
    const name = this.#fullName.slice(this.#fullName.lastIndexOf('.') + 1)
    return { name, fullName: this.#fullName, doc, fields, enums: this.#enums, messages: this.#messages }
  }

  #field(key: string, number: number, schema: z.ZodType): ProtoField {
    try {
      const named = { key, name: fieldName(key), number, doc: schema.description ?? '' }
      const bare = unwrap(schema)
      const shape = this.#shape(key, bare.schema)
      const single = shape.shape === 'single'
      if (!single && bare.nullable) throw new TypeError('a list or a map is empty, never null')
      const absent = bare.nullable ? 'null' : bare.optional && single ? 'nothing' : 'zero'
      if (!bare.optional || (single ? !bare.nullable : bare.emptyByDefault))
        return { ...named, ...shape, absent, boxed: false }
      const type = this.#box(`${pascalCase(key)}Value`, { ...shape, absent })
      return { ...named, kind: 'message', type, shape: 'single', absent: 'nothing', boxed: true }
    } catch (error) {
      if (!(error instanceof TypeError)) throw error
      throw new TypeError(`${this.#fullName}.${key}: ${error.message}`, { cause: error })
    }
  }

  #box(name: string, inner: Shape & Pick<ProtoField, 'absent'>): string {
    const fullName = `${this.#fullName}.${name}`
    const value: ProtoField = { key: 'value', name: 'value', number: 1, doc: '', boxed: false, ...inner }
    this.#claim(name)
    this.#messages.push({ name, fullName, doc: '', fields: [value], enums: [], messages: [] })
    return fullName
  }

  #shape(key: string, schema: Schema): Shape {
    const { def } = (schema as z.core.$ZodTypes)._zod
    if (def.type === 'array') {
      const item = this.#item(itemName(key), def.element)
      return { ...item, shape: 'repeated' }
    }
    if (def.type === 'record') {
      if ((unwrap(def.keyType).schema as z.core.$ZodTypes)._zod.def.type !== 'string')
        throw new TypeError('the keys of a map must be strings')
      return { ...this.#item(itemName(key), def.valueType), shape: 'map' }
    }
    return { ...this.#single(pascalCase(key), schema), shape: 'single' }
  }

  /** What a list or a map holds. */
  #item(name: string, schema: Schema): Omit<Shape, 'shape'> {
    const bare = unwrap(schema)
    if (bare.nullable || bare.optional) throw new TypeError('what a list or a map holds can not be absent')
    return this.#single(name, bare.schema)
  }

  #single(name: string, schema: Schema): Omit<Shape, 'shape'> {
    if (isBytes(schema)) return { kind: 'scalar', type: 'bytes' satisfies Scalar }
    const { def } = (schema as z.core.$ZodTypes)._zod
    switch (def.type) {
      case 'string':
        return { kind: 'scalar', type: 'string' satisfies Scalar }
      case 'boolean':
        return { kind: 'scalar', type: 'bool' satisfies Scalar }
      case 'number':
        return { kind: 'scalar', type: numberType(schema as z.ZodNumber) }
      case 'enum':
        return { kind: 'enum', type: this.#enum(name, schema, Object.values(def.entries)) }
      case 'literal':
        return { kind: 'enum', type: this.#enum(name, schema, def.values) }
      case 'object':
        return { kind: 'message', type: this.#message(name, schema) }
      default:
        throw new TypeError(`zod's ${def.type} has no form on the wire`)
    }
  }

  #enum(name: string, schema: Schema, values: readonly unknown[]): string {
    const known = this.#derived.get(schema)
    if (known !== undefined) return known
    const fullName = `${this.#fullName}.${name}`
    const prefix = enumName(name)
    const named = values.map((value) => {
      if (typeof value !== 'string') throw new TypeError(`${String(value)} is no string`)
      return { value, name: `${prefix}_${enumName(value)}` }
    })
    if (new Set(named.map((v) => v.name)).size !== named.length)
      throw new TypeError('two enum values have the same name on the wire')
    this.#claim(name)
    this.#enums.push({ name, fullName, prefix, values: named })
    this.#derived.set(schema, fullName)
    return fullName
  }

  #message(name: string, schema: Schema): string {
    const message = messageOf(schema)
    if (message === undefined)
      throw new TypeError('a nested object has no field numbers: make it with message({…}).schema')
    const known = this.#named.get(message) ?? this.#derived.get(message)
    if (known !== undefined) return known
    this.#claim(name)
    const nested = deriveMessage(`${this.#fullName}.${name}`, message, this.#named, schemaDoc(schema))
    this.#messages.push(nested)
    this.#derived.set(message, nested.fullName)
    return nested.fullName
  }

  #claim(name: string): void {
    if ([...this.#enums, ...this.#messages].some((other) => other.name === name))
      throw new TypeError(`two nested types would be called ${name}`)
  }
}

function schemaDoc(schema: Schema): string {
  return (schema as z.ZodType).description ?? ''
}

function unwrap(schema: Schema): Bare {
  let inner = schema
  let nullable = false
  let optional = false
  let emptyByDefault = false
  for (;;) {
    const { def } = (inner as z.core.$ZodTypes)._zod
    if (def.type === 'nullable') nullable = true
    else if (def.type === 'optional') optional = true
    else if (def.type === 'default' || def.type === 'prefault') {
      optional = true
      emptyByDefault = isEmpty(def.defaultValue)
    } else if (def.type !== 'readonly' && def.type !== 'pipe') break
    inner = def.type === 'pipe' ? def.in : def.innerType
  }
  return { schema: inner, nullable, optional, emptyByDefault }
}

function isEmpty(value: unknown): boolean {
  return typeof value === 'object' && value !== null && Object.keys(value).length === 0
}

function numberType(schema: z.ZodNumber): Scalar {
  if (!schema.isInt) return 'double'
  const within = (schema.minValue ?? -Infinity) >= -(2 ** 31) && (schema.maxValue ?? Infinity) < 2 ** 31
  return within ? 'int32' : 'int64'
}
