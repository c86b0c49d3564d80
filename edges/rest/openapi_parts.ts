import type { z } from 'zod'
import { type JsonSchema, jsonSchema } from '../../domains/kernel/wire/json_schema.ts'
import { commandQuery, diffQuery, listQuery, logQuery, type QuerySpec, readQuery, whyQuery } from './query.ts'

const queries = {
  read: readQuery,
  list: listQuery,
  command: commandQuery,
  log: logQuery,
  why: whyQuery,
  diff: diffQuery,
} as const satisfies Readonly<Record<string, QuerySpec>>

/** A set of query parameters. */
export type QueryGroup = keyof typeof queries

export const string = { type: 'string' } as const
export const integer = { type: 'integer' } as const
export const object = { type: 'object' } as const

export function answers(content: JsonSchema): JsonSchema {
  return {
    '200': { description: 'The answer.', content },
    default: { $ref: '#/components/responses/Problem' },
  }
}

/** References to the parameters of a query, which all operations that take it share. */
export function queryParameters(group: QueryGroup): readonly JsonSchema[] {
  return Object.keys(queries[group]).map((name) => ({ $ref: `#/components/parameters/${group}.${name}` }))
}

/** Every shared parameter by its component's name. */
export function sharedParameters(): Readonly<Record<string, JsonSchema>> {
  return Object.fromEntries(
    Object.entries(queries).flatMap(([group, spec]) =>
      Object.entries(spec).map(([name, schema]) => [`${group}.${name}`, queryParameter(name, schema)]),
    ),
  )
}

function queryParameter(name: string, schema: z.ZodType): JsonSchema {
  const { description, ...rest } = jsonSchema(schema, 'output')
  return { name, in: 'query', ...(description === undefined ? {} : { description }), schema: rest }
}

export function pathParameters(path: string): readonly JsonSchema[] {
  return [...path.matchAll(/:(\w+)/g)].map(([, name]) => ({
    name,
    in: 'path',
    required: true,
    schema: string,
  }))
}

/** `/a/:b` as OpenAPI writes it: `/a/{b}`. */
export function template(path: string): string {
  return path.replaceAll(/:(\w+)/g, '{$1}')
}

export function header(name: string, description: string): JsonSchema {
  return { name, in: 'header', description, schema: string }
}

export function json(schema: JsonSchema): JsonSchema {
  return { 'application/json': { schema } }
}

export function reference(name: string): JsonSchema {
  return { $ref: `#/components/schemas/${name}` }
}

export function arrayOf(items: JsonSchema): JsonSchema {
  return { type: 'array', items }
}

export function orNull(schema: JsonSchema): JsonSchema {
  return { anyOf: [schema, { type: 'null' }] }
}
