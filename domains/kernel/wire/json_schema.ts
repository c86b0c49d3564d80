import { z } from 'zod'
import type { Message } from '../contract.ts'

export type JsonSchema = Readonly<Record<string, unknown>>

/** JSON Schema (draft 2020-12) of what a client sends, or of what it is answered. Throws Error for what has no such form. */
export function jsonSchema(schema: z.ZodType, direction: 'input' | 'output'): JsonSchema {
  const { $schema: _, ...rest } = z.toJSONSchema(schema, { io: direction, target: 'draft-2020-12' })
  return withoutSafeBounds(rest) as JsonSchema
}

/** As `jsonSchema`, of a message. Answers may have more than this: servers get newer. */
export function messageSchema(message: Message, direction: 'input' | 'output'): JsonSchema {
  const schema = jsonSchema(message.schema, direction)
  return direction === 'input' ? schema : open(schema)
}

function open(schema: JsonSchema): JsonSchema {
  const { additionalProperties: _, ...rest } = schema
  return rest
}

/** What every integer is bounded by in JSON anyway says nothing to a reader. */
function withoutSafeBounds(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(withoutSafeBounds)
  if (typeof value !== 'object' || value === null) return value
  const entries = Object.entries(value).filter(
    ([key, bound]) =>
      !(key === 'minimum' && bound === Number.MIN_SAFE_INTEGER) &&
      !(key === 'maximum' && bound === Number.MAX_SAFE_INTEGER),
  )
  return Object.fromEntries(entries.map(([key, inner]) => [key, withoutSafeBounds(inner)]))
}
