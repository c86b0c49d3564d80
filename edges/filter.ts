import { z } from 'zod'
import { Uid } from '../domains/kernel/contract.ts'
import type { Kind, Registry } from '../domains/kernel/registry.ts'
import { Rejection } from '../domains/kernel/rejection.ts'
import { uuidTime } from '../domains/kernel/uuid.ts'

/**
 * Refuses a filter that nothing would ever match: by what is neither `label.x` nor a field of the kind, and for a value that the field can
 * not have. `beside` is what else can be asked for in the same place.
 */
export function checkFilter(
  registry: Registry,
  kind: Kind,
  filter: Readonly<Record<string, string>>,
  beside: readonly string[] = [],
): void {
  const { fields } = kind.resource.message
  const asked = Object.entries(filter).filter(([key]) => !key.startsWith('label.'))
  const unknown = asked.filter(([key]) => !Object.hasOwn(fields, key))
  if (unknown.length > 0) {
    const names = unknown.map(([key]) => key)
    const known = Object.keys(fields).filter((key) => takes(fields[key]?.[1]) !== undefined)
    const others = beside.length === 0 ? '' : `, beside the parameters ${beside.join(', ')}`
    throw new Rejection(
      'INVALID_ARGUMENT',
      `${kind.id} can not be filtered by ${names.join(', ')}; it takes label.<name> and ${known.join(', ')}${others}`,
      { fields: names.map((field) => ({ field, problem: 'unknown field' })) },
    )
  }
  const wrong = asked.flatMap(([field, value]) => {
    const schema = fields[field]?.[1]
    const problem =
      problemOf(field, schema, value) ??
      (refersByUid(registry, kind, field, schema) ? noUid(value) : undefined)
    return problem === undefined ? [] : [{ field, problem }]
  })
  if (wrong.length === 0) return
  const sentence = wrong.map(({ field, problem }) => `${field}: ${problem}`).join('; ')
  throw new Rejection('INVALID_ARGUMENT', `${kind.id} can not be filtered so: ${sentence}`, { fields: wrong })
}

function problemOf(field: string, schema: z.core.$ZodType | undefined, value: string): string | undefined {
  const taken = takes(schema)
  if (taken === undefined)
    return field === 'labels' ? 'say label.<name>' : 'it holds more than one value, and no filter takes it'
  return taken.matches(value) ? undefined : `${JSON.stringify(value)} is not ${taken.what}`
}

/** Whether a field holds the uid of another resource. */
function refersByUid(
  registry: Registry,
  kind: Kind,
  field: string,
  schema: z.core.$ZodType | undefined,
): boolean {
  const reference = kind.references.find((each) => each.field === field)
  if (reference !== undefined) return registry.kinds.get(reference.target)?.resource.identity === 'uid'
  return field !== 'uid' && (schema instanceof z.ZodNullable ? schema.unwrap() : schema) === Uid
}

function noUid(value: string): string | undefined {
  return value === '' || uuidTime(value) !== undefined
    ? undefined
    : `it takes the uid of a resource, and ${JSON.stringify(value)} is none`
}

interface Taken {
  readonly what: string
  matches(value: string): boolean
}

/** What a filter by a field takes; undefined for a field of several values, which can not be compared with one. */
function takes(schema: z.core.$ZodType | undefined): Taken | undefined {
  if (schema instanceof z.ZodNullable || schema instanceof z.ZodDefault) return takes(schema.unwrap())
  if (schema instanceof z.ZodEnum) {
    const options = schema.options.map(String)
    return { what: `one of ${options.join(', ')}`, matches: (value) => options.includes(value) }
  }
  if (schema instanceof z.ZodBoolean) {
    return { what: 'true or false', matches: (value) => value === 'true' || value === 'false' }
  }
  if (schema instanceof z.ZodNumber)
    return { what: 'a number', matches: (value) => String(Number(value)) === value }
  return schema instanceof z.ZodString || schema instanceof z.ZodStringFormat
    ? { what: 'a text', matches: () => true }
    : undefined
}
