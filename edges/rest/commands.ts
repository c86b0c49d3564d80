import type { FastifyInstance, FastifyRequest } from 'fastify'
import { Rejection } from '../../domains/kernel/rejection.ts'
import type { CommandRequest, ControlPlane } from '../control_plane.ts'
import type { Authenticated } from './authenticate.ts'
import type { Forward } from './forward.ts'
import { commandQuery, parseQuery } from './query.ts'

const COMMAND_ID_CHARACTERS_MAX = 200

/** Serves every command as JSON: the same contract as gRPC. */
export function addCommands(
  app: FastifyInstance,
  control: ControlPlane,
  forward: Forward,
  who: Authenticated,
): void {
  app.post<{ Params: { command: string } }>('/api/v1/commands/:command', async (request, reply) => {
    const command = commandRequest(control, request.params.command, request, who)
    const leader = control.leaderAddress()
    const answer = await (leader === undefined
      ? control.submit(command)
      : forward.submit(leader, command, who.token(request)))
    const { revision, history, duplicate, result, events } = answer
    reply.header('etag', `"${revision}"`)
    reply.header('x-ultracloud-revision', String(revision))
    reply.header('x-ultracloud-history', history)
    return { revision, history, duplicate, result, events }
  })
}

function commandRequest(
  control: ControlPlane,
  type: string,
  request: FastifyRequest,
  who: Authenticated,
): CommandRequest {
  const actor = who.actor(request)
  const [domain, name] = type.split('.', 2) as [string, string | undefined]
  const commands = control.registry.domains.get(domain)?.contract.commands
  if (name === undefined || commands === undefined || !Object.hasOwn(commands, name))
    throw new Rejection('UNKNOWN_COMMAND', `there is no command ${type}`)
  const query = parseQuery(commandQuery, request.query)
  return {
    type,
    data: request.body,
    actor,
    commandId: commandId(request.headers['idempotency-key']),
    ifRevision: query.if_revision ?? ifMatch(request.headers['if-match']),
    dryRun: query.dry_run,
    wait: query.wait,
    timeoutMilliseconds: query.timeout_milliseconds,
  }
}

/** The Idempotency-Key of draft-ietf-httpapi-idempotency-key-header: a string in quotes; without them it is taken, too. */
function commandId(header: string | string[] | undefined): string | undefined {
  if (header === undefined) return undefined
  const id = /^(?:"([\x21\x23-\x7e]+)"|([\x21\x23-\x7e]+))$/.exec(String(header))
  const found = id?.[1] ?? id?.[2]
  if (found === undefined || found.length > COMMAND_ID_CHARACTERS_MAX)
    throw new Rejection('INVALID_ARGUMENT', 'idempotency-key: must be 1 to 200 printable characters')
  return found
}

function ifMatch(header: string | undefined): number | undefined {
  if (header === undefined) return undefined
  const revision = Number(/^"([1-9]\d{0,14})"$/.exec(header)?.[1])
  if (Number.isNaN(revision))
    throw new Rejection('INVALID_ARGUMENT', 'if-match: must be one entity tag that a read gave, such as "42"')
  return revision
}
