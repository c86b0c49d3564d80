import { z } from 'zod'
import { type Command, type Contract, type Message, message, type Resource } from '../contract.ts'
import { CommandOptions, CommandOutcome, ReadOptions, ReadOutcome, stampFields } from './common.ts'
import { camelCase, pascalCase } from './names.ts'
import type { Method, Service } from './service.ts'

/** Contracts number their own fields below this; from here on are the wire's. */
const OWN_FIELDS_END = 1000

export const MAX_PAGE_SIZE = 1000

/** A domain's service: one method a command, and Get and List for every resource. */
export interface DomainService extends Service {
  readonly domain: string
  readonly methods: readonly DomainMethod[]
}

export type DomainMethod = Method &
  (
    | {
        readonly role: 'command'
        /** `domain.Command`. */
        readonly command: string
        /** The request without what the wire adds. */
        readonly own: Message
      }
    | { readonly role: 'get' | 'list'; readonly kind: string; readonly field: string }
  )

/** Derives a domain's service. Throws TypeError when two messages or methods would share a name. */
export function domainService(contract: Contract): DomainService {
  const messages = new Map<string, { message: Message; doc: string }>()
  const methods: DomainMethod[] = Object.entries(contract.commands).map(([name, command]) =>
    commandMethod(`${contract.name}.${name}`, name, command),
  )
  for (const [kind, resource] of Object.entries(contract.resources)) {
    const row = rowMessage(resource)
    messages.set(pascalCase(kind), { message: row, doc: resource.doc })
    methods.push(...readMethods(contract.name, kind, resource, row))
  }
  if (new Set(methods.map(({ name }) => name)).size !== methods.length)
    throw new TypeError(`${contract.name}: two methods share a name`)
  return {
    domain: contract.name,
    package: `ultracloud.${contract.name}.v1`,
    name: `${pascalCase(contract.name)}Service`,
    doc: contract.doc,
    messages,
    methods,
  }
}

function commandMethod(id: string, name: string, command: Command): DomainMethod {
  return {
    role: 'command',
    command: id,
    own: command.request,
    name,
    doc: command.doc,
    stream: false,
    request: extended(`${id}'s request`, command.request, {
      commandOptions: [OWN_FIELDS_END, CommandOptions.schema.optional()],
    }),
    response: extended(`${id}'s result`, command.result, {
      commandOutcome: [OWN_FIELDS_END, CommandOutcome.schema],
    }),
  }
}

function extended(what: string, own: Message, more: Message['fields']): Message {
  for (const [key, [number]] of Object.entries(own.fields)) {
    if (key in more) throw new TypeError(`${what}: the field name ${key} is the wire's own`)
    if (number >= OWN_FIELDS_END)
      throw new TypeError(`${what}: field numbers from ${OWN_FIELDS_END} are the wire's own`)
  }
  return message({ ...own.fields, ...more })
}

/** A resource as clients see it: its fields and the kernel's stamps. */
export function rowMessage(resource: Resource): Message {
  return message({ ...resource.message.fields, ...stampFields })
}

const project = z.string().max(63)
const readOptions = ReadOptions.schema.optional()

function readMethods(
  domain: string,
  kind: string,
  resource: Resource,
  row: Message,
): readonly DomainMethod[] {
  const id = `${domain}.${kind}`
  const scoped = resource.scope === 'project'
  const one = camelCase(kind)
  const many = camelCase(resource.plural)
  const get: DomainMethod = {
    role: 'get',
    kind: id,
    field: one,
    name: `Get${pascalCase(kind)}`,
    doc: `Reads one of the ${resource.plural}, by its name${scoped ? ' in a project' : ''} or by its uid.`,
    stream: false,
    request: message({
      ...(scoped ? { project: [1, project] as const } : {}),
      name: [2, z.string().max(255)],
      uid: [3, z.string().max(64)],
      readOptions: [4, readOptions],
    }),
    response: message({ [one]: [1, row.schema], readOutcome: [2, ReadOutcome.schema] }),
  }
  const list: DomainMethod = {
    role: 'list',
    kind: id,
    field: many,
    name: `List${pascalCase(resource.plural)}`,
    doc: `Reads ${resource.plural}, in the order of their names${scoped ? '; of all projects when none is given' : ''}.`,
    stream: false,
    request: message({
      ...(scoped ? { project: [1, project] as const } : {}),
      filter: [
        2,
        z
          .record(z.string(), z.string())
          .describe('What fields (field) and labels (label.x) must equal, all of them.'),
      ],
      pageSize: [
        3,
        z.int32().min(0).max(MAX_PAGE_SIZE).describe(`At most ${MAX_PAGE_SIZE}; 0 lets the server choose.`),
      ],
      pageToken: [4, z.string().max(1024).describe('Empty for the first page.')],
      readOptions: [5, readOptions],
    }),
    response: message({
      [many]: [1, z.array(row.schema)],
      nextPageToken: [2, z.string().describe('Empty on the last page.')],
      readOutcome: [3, ReadOutcome.schema],
    }),
  }
  return [get, list]
}
