import { z } from 'zod'
import { Rejection } from '../../domains/kernel/rejection.ts'
import { MAX_PAGE_SIZE } from '../../domains/kernel/wire/domain_service.ts'

const integer = (minimum: number, maximum: number): z.ZodType<number> =>
  z
    .string()
    .regex(/^\d{1,15}$/, 'must be a whole number')
    .transform(Number)
    .pipe(z.int().min(minimum).max(maximum))
const boolean = z
  .enum(['true', 'false'])
  .transform((text) => text === 'true')
  .pipe(z.boolean())
const moment = z.string().min(1).max(64)
const REVISION_MAX = Number.MAX_SAFE_INTEGER

/** What one read's query takes. */
export const readQuery = {
  at: moment.describe('The cloud as it was: a revision, an RFC 3339 time, or how long ago (2h).'),
  min_revision: integer(0, REVISION_MAX).describe('Wait until this revision shows.'),
  consistency: z.enum(['linearizable', 'stale']),
} as const

export const listQuery = {
  ...readQuery,
  page_size: integer(1, MAX_PAGE_SIZE),
  page_token: z.string().min(1).max(1024).describe('nextPageToken of the page before.'),
} as const

export const commandQuery = {
  dry_run: boolean.describe('Decide and answer with the events, but let nothing happen.'),
  wait: z
    .enum(['committed', 'projected', 'realized'])
    .describe('How far it must have come before the answer.'),
  if_revision: integer(1, REVISION_MAX).describe('Refused when the resource has changed since.'),
  timeout_milliseconds: integer(1, 600_000),
} as const

export const logQuery = {
  from: integer(0, REVISION_MAX).describe('The first revision.'),
  limit: integer(1, MAX_PAGE_SIZE),
  type: z.string().min(1).max(127).describe('domain.Command or domain.Event.'),
} as const

export const whyQuery = { project: z.string().min(1).max(63) } as const

export const diffQuery = {
  from: moment.describe('A revision, an RFC 3339 time, or how long ago (2h).'),
  to: moment.describe('Like from; now when it is not given.'),
} as const

export type QuerySpec = Readonly<Record<string, z.ZodType>>
export type Query<S extends QuerySpec> = { readonly [K in keyof S]?: z.output<S[K]> }

/**
 * Parses a query: every parameter is optional and may be given once. What the spec does not know goes through `other`
 * (filters of lists), or is refused. Throws Rejection INVALID_ARGUMENT, naming each parameter that does not fit.
 */
export function parseQuery<S extends QuerySpec>(
  spec: S,
  query: unknown,
  other?: (name: string, value: string) => void,
): Query<S> {
  const fields: { field: string; problem: string }[] = []
  const parsed: Record<string, unknown> = {}
  for (const [name, value] of Object.entries(query as Record<string, unknown>)) {
    const schema = Object.hasOwn(spec, name) ? spec[name] : undefined
    if (typeof value !== 'string') fields.push({ field: name, problem: 'may be given once only' })
    else if (schema === undefined && other !== undefined) other(name, value)
    else if (schema === undefined)
      fields.push({
        field: name,
        problem: `unknown parameter; it takes ${Object.keys(spec).join(', ') || 'none'}`,
      })
    else {
      const result = schema.safeParse(value)
      if (result.success) parsed[name] = result.data
      else fields.push({ field: name, problem: result.error.issues[0]?.message ?? 'does not fit' })
    }
  }
  if (fields.length === 0) return parsed as Query<S>
  const sentence = fields.map(({ field, problem }) => `${field}: ${problem}`).join('; ')
  throw new Rejection('INVALID_ARGUMENT', sentence, { fields })
}
