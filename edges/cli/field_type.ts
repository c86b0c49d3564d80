import type { z } from 'zod'
import { Name, Uid } from '../../domains/kernel/contract.ts'

/** What a flag's value must be, read off a field's schema. */
export type FieldType =
  | { readonly kind: 'text'; readonly maximum: number | undefined; readonly form: TextForm }
  | { readonly kind: 'number'; readonly integer: boolean; readonly minimum: number; readonly maximum: number }
  | { readonly kind: 'boolean' }
  | { readonly kind: 'choice'; readonly choices: readonly string[] }
  | { readonly kind: 'list'; readonly item: FieldType }
  | { readonly kind: 'map'; readonly value: FieldType }
  | { readonly kind: 'object'; readonly schema: z.core.$ZodType; readonly fields: readonly Field[] }

/** What a text is a form of: said in help instead of `text`. */
export type TextForm = 'text' | 'name' | 'uid' | 'address' | 'cidr'

export interface Field {
  readonly key: string
  readonly type: FieldType
  readonly schema: z.core.$ZodType
  /** It must be said. */
  readonly required: boolean
  /** `null` may be said, and means none. */
  readonly nullable: boolean
  /** What counts when it is left out; undefined: nothing does. */
  readonly fallback: unknown
  readonly doc: string
}

/** The fields of an object's schema, in the order of the contract. */
export function fieldsOf(shape: Readonly<Record<string, z.core.$ZodType>>): readonly Field[] {
  return Object.entries(shape).map(([key, schema]) => {
    const { inner, optional, nullable, fallback } = unwrap(schema)
    return {
      key,
      type: typeOf(inner),
      schema,
      required: !optional && !nullable,
      nullable,
      fallback,
      doc: (schema as z.ZodType).description ?? (inner as z.ZodType).description ?? '',
    }
  })
}

/** The schema itself, without what only says when it may be absent. */
export function innerSchema(schema: z.core.$ZodType): z.core.$ZodType {
  return unwrap(schema).inner
}

function unwrap(schema: z.core.$ZodType): {
  inner: z.core.$ZodType
  optional: boolean
  nullable: boolean
  fallback: unknown
} {
  let inner = schema
  let optional = false
  let nullable = false
  let fallback: unknown
  for (;;) {
    const { def } = (inner as z.core.$ZodTypes)._zod
    switch (def.type) {
      case 'optional':
        optional = true
        inner = def.innerType
        break
      case 'nullable':
        nullable = true
        inner = def.innerType
        break
      case 'default':
      case 'prefault':
        optional = true
        fallback ??= def.defaultValue
        inner = def.innerType
        break
      case 'readonly':
        inner = def.innerType
        break
      case 'pipe':
        inner = def.in
        break
      default:
        return { inner, optional, nullable, fallback }
    }
  }
}

/** Throws TypeError for a shape that no flag can say; none has a form on the wire either. */
function typeOf(schema: z.core.$ZodType): FieldType {
  const { inner } = unwrap(schema)
  const { def } = (inner as z.core.$ZodTypes)._zod
  switch (def.type) {
    case 'string':
      return { kind: 'text', maximum: (inner as z.ZodString).maxLength ?? undefined, form: textForm(inner) }
    case 'boolean':
      return { kind: 'boolean' }
    case 'number': {
      const number = inner as z.ZodNumber
      return {
        kind: 'number',
        integer: number.isInt,
        minimum: number.minValue ?? -Infinity,
        maximum: number.maxValue ?? Infinity,
      }
    }
    case 'enum':
      return { kind: 'choice', choices: Object.values(def.entries).map(String) }
    case 'literal':
      return { kind: 'choice', choices: def.values.map(String) }
    case 'array':
      return { kind: 'list', item: typeOf(def.element) }
    case 'record':
      return { kind: 'map', value: typeOf(def.valueType) }
    case 'object':
      return { kind: 'object', schema: inner, fields: fieldsOf(def.shape) }
    default:
      throw new TypeError(`no flag can say zod's ${def.type}`)
  }
}

function textForm(schema: z.core.$ZodType): TextForm {
  if (schema === Name) return 'name'
  if (schema === Uid) return 'uid'
  switch ((schema as z.ZodString).format) {
    case 'ipv4':
    case 'ipv6':
      return 'address'
    case 'cidrv4':
    case 'cidrv6':
      return 'cidr'
    default:
      return 'text'
  }
}
