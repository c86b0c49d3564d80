import { codes } from '../../domains/kernel/rejection.ts'
import { type JsonSchema, messageSchema } from '../../domains/kernel/wire/json_schema.ts'
import { StatusResponse } from '../grpc/cluster_service.ts'
import {
  answers,
  arrayOf,
  integer,
  json,
  object,
  orNull,
  pathParameters,
  type QueryGroup,
  queryParameters,
  reference,
  string,
} from './openapi_parts.ts'

const milliseconds = { type: 'integer', description: 'Milliseconds since 1970.' } as const

/** What is no domain's: by name below `components/schemas`. */
export const commonSchemas: Readonly<Record<string, JsonSchema>> = {
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
  CommandOutcome: {
    type: 'object',
    required: ['revision', 'history', 'duplicate'],
    properties: {
      revision: { ...integer, description: 'The log index of the decision.' },
      history: string,
      duplicate: { type: 'boolean', description: 'The answer of an earlier run of the same command id.' },
      events: { ...arrayOf(reference('Event')), description: 'Dry runs alone: what would have happened.' },
    },
  },
  Status: messageSchema(StatusResponse, 'output'),
}

/** The paths that are the same for every registry. */
export const fixedPaths: Readonly<Record<string, JsonSchema>> = {
  '/api/v1/log': fixed('log', 'What happened, in order.', '/api/v1/log', 'log', {
    type: 'object',
    required: ['entries', 'next'],
    properties: { entries: arrayOf(reference('LogEntry')), next: integer },
  }),
  '/api/v1/why/{kind}/{name}': fixed(
    'why',
    'The entries that made a resource what it is.',
    '/api/v1/why/:kind/:name',
    'why',
    { type: 'object', required: ['entries'], properties: { entries: arrayOf(reference('LogEntry')) } },
  ),
  '/api/v1/diff': fixed('diff', 'What changed between two moments.', '/api/v1/diff', 'diff', {
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
    undefined,
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

function fixed(
  id: string,
  summary: string,
  path: string,
  query: QueryGroup | undefined,
  answer: JsonSchema,
): JsonSchema {
  return {
    get: {
      operationId: id,
      summary,
      parameters: [...pathParameters(path), ...(query === undefined ? [] : queryParameters(query))],
      responses: answers(json(answer)),
    },
  }
}
