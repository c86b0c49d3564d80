import type { Command } from '../../domains/kernel/contract.ts'
import type { Kind, Registry } from '../../domains/kernel/registry.ts'
import { rowMessage } from '../../domains/kernel/wire/domain_service.ts'
import { type JsonSchema, messageSchema } from '../../domains/kernel/wire/json_schema.ts'
import { pascalCase } from '../../domains/kernel/wire/names.ts'
import { commonSchemas, fixedPaths } from './openapi_fixed.ts'
import {
  answers,
  arrayOf,
  header,
  integer,
  json,
  pathParameters,
  queryParameters,
  reference,
  sharedParameters,
  string,
  template,
} from './openapi_parts.ts'
import { PROBLEM_TYPE } from './problem.ts'
import { readPaths } from './reads.ts'

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
      parameters: {
        ...sharedParameters(),
        filter: filterParameter,
        'Idempotency-Key': header('Idempotency-Key', 'The command id: same id, same answer.'),
        'If-Match': header('If-Match', 'The entity tag of the resource, as a read gave it.'),
      },
      responses: { Problem: { description: 'What is wrong (RFC 9457).', content: problemContent } },
    },
  }
}

const filterParameter = {
  name: 'filter',
  in: 'query',
  style: 'form',
  explode: true,
  description: 'What must be equal: label.<name>=<value> and <field>=<value>.',
  schema: { type: 'object', additionalProperties: string },
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
      ...queryParameters('command'),
      { $ref: '#/components/parameters/Idempotency-Key' },
      { $ref: '#/components/parameters/If-Match' },
    ],
    requestBody: { required: true, content: json(reference(`${id}Request`)) },
    responses: answers(
      json({
        allOf: [reference('CommandOutcome')],
        type: 'object',
        required: ['result'],
        properties: { result: reference(`${id}Result`) },
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
  const filter = { $ref: '#/components/parameters/filter' }
  const listOperation = (id: string, path: string): JsonSchema => ({
    get: {
      operationId: id,
      tags: [kind.contract.name],
      summary: doc,
      parameters: [...pathParameters(path), ...queryParameters('list'), filter],
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
        parameters: [...pathParameters(single), ...queryParameters('read')],
        responses: answers(json(reference(rowName(kind)))),
      },
    },
  }
}
