import type { Of } from '../../domains/kernel/contract.ts'
import { parseRequest } from '../../domains/kernel/parse.ts'
import type { Registry } from '../../domains/kernel/registry.ts'
import { Rejection } from '../../domains/kernel/rejection.ts'
import { CommandOptions, type CommandOutcome, type ReadOptions } from '../../domains/kernel/wire/common.ts'
import type { DomainMethod } from '../../domains/kernel/wire/domain_service.ts'
import type { CommandReply, CommandRequest, ControlPlane, ReadRequest } from '../control_plane.ts'
import { checkFilter } from '../filter.ts'
import type { Call, Fields, UnaryHandler } from './call.ts'

/** What serves a domain's method. */
export function domainHandler(control: ControlPlane, method: DomainMethod): UnaryHandler {
  switch (method.role) {
    case 'command':
      return async (request, call) => {
        const reply = await control.submit(commandRequest(method.command, request, call))
        return { ...reply.result, commandOutcome: outcomeFields(reply) }
      }
    case 'get':
      return async (request, call) => {
        const wanted = readRequest(control.registry, method, request)
        if (wanted.name === undefined && wanted.uid === undefined)
          throw new Rejection('INVALID_ARGUMENT', `${method.name}: a name or a uid is needed`)
        const reply = await control.read(call.actor, wanted)
        return { [method.field]: reply.rows[0], readOutcome: reply }
      }
    case 'list':
      return async (request, call) => {
        const reply = await control.read(call.actor, readRequest(control.registry, method, request))
        return { [method.field]: reply.rows, nextPageToken: reply.nextPageToken, readOutcome: reply }
      }
  }
}

/** Where a read must go on to; undefined when this member can answer it. */
export function leaderForRead(
  control: ControlPlane,
  method: DomainMethod & { role: 'get' | 'list' },
  request: Fields,
): string | undefined {
  return control.leaderForRead(readRequest(control.registry, method, request))
}

function commandRequest(type: string, request: Fields, call: Call): CommandRequest {
  const { commandOptions, ...data } = request
  const given = commandOptions ?? { commandId: '', dryRun: false }
  const options = parseRequest(`${type}'s command_options`, CommandOptions, given)
  return {
    type,
    data,
    actor: call.actor,
    commandId: options.commandId === '' ? undefined : options.commandId,
    ifRevision: options.ifRevision,
    dryRun: options.dryRun,
    wait: options.wait,
    timeoutMilliseconds: shorter(options.timeoutMilliseconds, call.remainingMilliseconds),
  }
}

function shorter(a: number | undefined, b: number | undefined): number | undefined {
  return a === undefined ? b : b === undefined ? a : Math.min(a, b)
}

function outcomeFields(reply: CommandReply): Of<typeof CommandOutcome> {
  const { revision, history, duplicate } = reply
  const events = (reply.events ?? []).map(({ type, data }) => ({ type, dataJson: JSON.stringify(data) }))
  return { revision, history, duplicate, events }
}

function readRequest(
  registry: Registry,
  method: DomainMethod & { role: 'get' | 'list' },
  request: Fields,
): ReadRequest {
  const { readOptions, ...fields } = parseRequest(method.name, method.request, request) as ReadFields
  const { name, uid, project, pageToken, pageSize, filter } = fields
  const kind = registry.kinds.get(method.kind)
  if (kind !== undefined && filter !== undefined) checkFilter(registry, kind, filter)
  return {
    kind: method.kind,
    project: nonEmpty(project),
    name: nonEmpty(name),
    uid: nonEmpty(uid),
    filter,
    pageToken: nonEmpty(pageToken),
    pageSize: pageSize === 0 ? undefined : pageSize,
    ...readOptions,
  }
}

interface ReadFields {
  readonly project?: string
  readonly name?: string
  readonly uid?: string
  readonly filter?: Readonly<Record<string, string>>
  readonly pageSize?: number
  readonly pageToken?: string
  readonly readOptions?: Of<typeof ReadOptions>
}

function nonEmpty(value: string | undefined): string | undefined {
  return value === '' ? undefined : value
}
