import type { Command } from '../../domains/kernel/contract.ts'
import type { Kind, Registry } from '../../domains/kernel/registry.ts'
import { codes } from '../../domains/kernel/rejection.ts'
import { rowMessage } from '../../domains/kernel/wire/domain_service.ts'
import { type JsonSchema, jsonSchema, messageSchema } from '../../domains/kernel/wire/json_schema.ts'
import { pascalCase } from '../../domains/kernel/wire/names.ts'
import { StatusResponse } from '../grpc/cluster_service.ts'
import { PROBLEM_TYPE } from './problem.ts'
import { commandQuery, diffQuery, listQuery, logQuery, type QuerySpec, readQuery, whyQuery } from './query.ts'
import { readPaths } from './reads.ts'

const string = { type: 'string' } as const
const integer = { type: 'integer' } as const
const object = { type: 'object' } as const
const milliseconds = { type: 'integer', description: 'Milliseconds since 1970.' } as const

/** The OpenAPI 3.1 description of the REST interface, derived from the contracts. */
export function openApi(registry: Registry): JsonSchema {
  const schemas: Record<string, JsonSchema> = { ...commonSchemas }
  const paths: Record<string, JsonSchema> = {}
  for (const { contract } of registry.domains.values()) {
    for (const [name, command] of Object.entries(contract.commands)) {
      const id = `${pascalCase(contract.name)}${name}`
      schemas[`${id}Request`] = messageSchema(command.request, 'input')
      schemas[`${id}Result`] = messageSchema(command.result, 'output')
      paths[`/api/v1/commands/${contract.name}.${name}`] = {
        post: commandOperation(contract.name, name, command),
      }
    }
  }
  for (const kind of registry.kinds.values()) {
    schemas[rowName(kind)] = messageSchema(rowMessage(kind.resource), 'output')
    Object.assign(paths, readOperations(kind))
  }
  Object.assign(paths, fixedPaths)
  return {
    openapi: '3.1.1',
    info: {
      title: 'UltraCloud',
      version: 'v1',
      description:
        'Reads of every resource, and every command as JSON. Derived from the contracts of the domains.',
      license: { name: 'Apache-2.0', identifier: 'Apache-2.0' },
    },
    servers: [{ url: '/' }],
    security: [{ bearer: [] }],
    tags: [...registry.domains.values()].map(({ contract }) => ({
      name: contract.name,
      description: contract.doc,
    })),
    paths,
    components: {
      securitySchemes: { bearer: { type: 'http', scheme: 'bearer' } },
      schemas,
      responses: { Problem: { description: 'What is wrong (RFC 9457).', content: problemContent } },
    },
  }
}

const problemContent = { [PROBLEM_TYPE]: { schema: reference('Problem') } }

function commandOperation(domain: string, name: string, command: Command): JsonSchema {
  const id = `${pascalCase(domain)}${name}`
  return {
    operationId: `${domain}.${name}`,
    tags: [domain],
    summary: command.doc,
    description: `Needs the permission ${command.permission} (${command.scope}).`,
    parameters: [
      ...queryParameters(commandQuery),
      header('Idempotency-Key', 'The command id: same id, same answer.'),
      header('If-Match', 'The entity tag of the resource, as a read gave it.'),
    ],
    requestBody: { required: true, content: json(reference(`${id}Request`)) },
    responses: answers(
      json({
        type: 'object',
        required: ['revision', 'history', 'duplicate', 'result'],
        properties: {
          revision: { ...integer, description: 'The log index of the decision.' },
          history: string,
          duplicate: { type: 'boolean', description: 'The answer of an earlier run of the same command id.' },
          result: reference(`${id}Result`),
          events: {
            ...arrayOf(reference('Event')),
            description: 'Dry runs alone: what would have happened.',
          },
        },
      }),
    ),
  }
}

function rowName({ contract, name }: Kind): string {
  return pascalCase(`${contract.name}-${name}`)
}

function readOperations(kind: Kind): Readonly<Record<string, JsonSchema>> {
  const { scoped, all } = readPaths(kind)
  const { plural, doc } = kind.resource
  const rows = json({
    type: 'object',
    required: ['items', 'nextPageToken', 'revision', 'history'],
    properties: {
      items: arrayOf(reference(rowName(kind))),
      nextPageToken: { ...string, description: 'Empty on the last page.' },
      revision: { ...integer, description: 'The revision that is shown.' },
      history: string,
    },
  })
  const filters = {
    name: 'filter',
    in: 'query',
    style: 'form',
    explode: true,
    description: 'What must be equal: label.<name>=<value> and <field>=<value>.',
    schema: { type: 'object', additionalProperties: string },
  }
  const listOperation = (id: string, path: string): JsonSchema => ({
    get: {
      operationId: id,
      tags: [kind.contract.name],
      summary: doc,
      parameters: [...pathParameters(path), ...queryParameters(listQuery), filters],
      responses: answers(rows),
    },
  })
  const single = `${scoped}/:name`
  return {
    [template(scoped)]: listOperation(`${kind.id}.list`, scoped),
    ...(all === scoped ? {} : { [template(all)]: listOperation(`${kind.id}.listAll`, all) }),
    [template(single)]: {
      get: {
        operationId: `${kind.id}.get`,
        tags: [kind.contract.name],
        summary: `One of the ${plural}, by its name.`,
        parameters: [...pathParameters(single), ...queryParameters(readQuery)],
        responses: answers(json(reference(rowName(kind)))),
      },
    },
  }
}

const commonSchemas: Readonly<Record<string, JsonSchema>> = {
  Problem: {
    type: 'object',
    required: ['type', 'title', 'status', 'detail', 'code', 'details'],
    properties: {
      type: { type: 'string', format: 'uri' },
      title: string,
      status: integer,
      detail: string,
      code: { type: 'string', enum: Object.keys(codes) },
      details: object,
    },
  },
  Event: {
    type: 'object',
    required: ['type', 'data'],
    properties: { type: { ...string, description: 'domain.Event' }, data: object },
  },
  Actor: {
    type: 'object',
    required: ['principal', 'kind'],
    properties: { principal: string, kind: { type: 'string', enum: ['user', 'service_account', 'process'] } },
  },
  LogEntry: {
    type: 'object',
    required: ['revision', 'time', 'command', 'actor', 'commandId', 'cause', 'request', 'events'],
    properties: {
      revision: integer,
      time: milliseconds,
      command: { ...string, description: 'domain.Command; empty where a history begins.' },
      actor: reference('Actor'),
      commandId: string,
      cause: string,
      request: object,
      events: arrayOf(reference('Event')),
    },
  },
  RowChange: {
    type: 'object',
    required: ['kind', 'uid', 'before', 'after'],
    properties: { kind: string, uid: string, before: orNull(object), after: orNull(object) },
  },
  Status: messageSchema(StatusResponse, 'output'),
}

const fixedPaths: Readonly<Record<string, JsonSchema>> = {
  '/api/v1/log': fixed('log', 'What happened, in order.', '/api/v1/log', logQuery, {
    type: 'object',
    required: ['entries', 'next'],
    properties: { entries: arrayOf(reference('LogEntry')), next: integer },
  }),
  '/api/v1/why/{kind}/{name}': fixed(
    'why',
    'The entries that made a resource what it is.',
    '/api/v1/why/:kind/:name',
    whyQuery,
    { type: 'object', required: ['entries'], properties: { entries: arrayOf(reference('LogEntry')) } },
  ),
  '/api/v1/diff': fixed('diff', 'What changed between two moments.', '/api/v1/diff', diffQuery, {
    type: 'object',
    required: ['from', 'to', 'changes', 'truncated'],
    properties: {
      from: integer,
      to: integer,
      changes: arrayOf(reference('RowChange')),
      truncated: { type: 'boolean' },
    },
  }),
  '/api/v1/status': fixed(
    'status',
    'Members, leader, revision, the lag of each projection, hosts.',
    '/api/v1/status',
    {},
    reference('Status'),
  ),
  '/healthz': {
    get: {
      operationId: 'healthz',
      summary: 'Whether this member serves.',
      security: [],
      responses: { '200': { description: 'It does.', content: json(object) } },
    },
  },
}

function fixed(id: string, summary: string, path: string, query: QuerySpec, answer: JsonSchema): JsonSchema {
  return {
    get: {
      operationId: id,
      summary,
      parameters: [...pathParameters(path), ...queryParameters(query)],
      responses: answers(json(answer)),
    },
  }
}

function answers(content: JsonSchema): JsonSchema {
  return {
    '200': { description: 'The answer.', content },
    default: { $ref: '#/components/responses/Problem' },
  }
}

function queryParameters(spec: QuerySpec): readonly JsonSchema[] {
  return Object.entries(spec).map(([name, schema]) => {
    const { description, ...rest } = jsonSchema(schema, 'output')
    return { name, in: 'query', ...(description === undefined ? {} : { description }), schema: rest }
  })
}

function pathParameters(path: string): readonly JsonSchema[] {
  return [...path.matchAll(/:(\w+)/g)].map(([, name]) => ({
    name,
    in: 'path',
    required: true,
    schema: string,
  }))
}

/** `/a/:b` as OpenAPI writes it: `/a/{b}`. */
function template(path: string): string {
  return path.replaceAll(/:(\w+)/g, '{$1}')
}

function header(name: string, description: string): JsonSchema {
  return { name, in: 'header', description, schema: string }
}

function json(schema: JsonSchema): JsonSchema {
  return { 'application/json': { schema } }
}

function reference(name: string): JsonSchema {
  return { $ref: `#/components/schemas/${name}` }
}

function arrayOf(items: JsonSchema): JsonSchema {
  return { type: 'array', items }
}

function orNull(schema: JsonSchema): JsonSchema {
  return { anyOf: [schema, { type: 'null' }] }
}
