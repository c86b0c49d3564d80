import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import type { Kind, Registry } from '../../domains/kernel/registry.ts'
import { Rejection } from '../../domains/kernel/rejection.ts'
import type { ControlPlane, ReadReply, ReadRequest } from '../control_plane.ts'
import { checkFilter } from '../filter.ts'
import type { Authenticated } from './authenticate.ts'
import type { Forward } from './forward.ts'
import { listQuery, parseQuery, type Query, readQuery } from './query.ts'

const FILTERS_MAX = 16

/** Where a kind's rows are read: of one project, and of all. */
export function readPaths({ contract, resource }: Kind): { readonly scoped: string; readonly all: string } {
  const path = `${contract.name}/${resource.plural}`
  const all = `/api/v1/${path}`
  return { all, scoped: resource.scope === 'project' ? `/api/v1/projects/:project/${path}` : all }
}

/** Serves lists and single reads of every kind. */
export function addReads(
  app: FastifyInstance,
  control: ControlPlane,
  forward: Forward,
  who: Authenticated,
): void {
  const read = async (request: FastifyRequest, what: ReadRequest): Promise<ReadReply> => {
    const leader = control.leaderForRead(what)
    return leader === undefined
      ? await control.read(who.actor(request), what)
      : await forward.read(leader, what, who.token(request))
  }
  for (const kind of control.registry.kinds.values()) {
    const { scoped, all } = readPaths(kind)
    for (const path of new Set([scoped, all])) {
      app.get<{ Params: { project?: string } }>(path, async (request, reply) => {
        const { project } = request.params
        const answer = await read(request, listRequest(control.registry, kind, project, request.query))
        const { rows, nextPageToken, revision, history } = stamped(reply, answer)
        return { items: rows, nextPageToken, revision, history }
      })
    }
    app.get<{ Params: { project?: string; name: string } }>(`${scoped}/:name`, async (request, reply) => {
      const { project, name } = request.params
      const query = parseQuery(readQuery, request.query)
      const answer = await read(request, { kind: kind.id, project, name, ...shown(query) })
      const [row] = stamped(reply, answer).rows
      if (row === undefined) throw new Rejection('NOT_FOUND', `there is no ${kind.id} ${name}`)
      return reply.header('etag', `"${String(row['revision'])}"`).send(row)
    })
  }
}

function listRequest(
  registry: Registry,
  kind: Kind,
  project: string | undefined,
  query: unknown,
): ReadRequest {
  const filter: Record<string, string> = {}
  const parsed = parseQuery(listQuery, query, (name, value) => {
    filter[name] = value
  })
  if (Object.keys(filter).length > FILTERS_MAX)
    throw new Rejection('INVALID_ARGUMENT', `a list takes ${FILTERS_MAX} filters at most`)
  checkFilter(registry, kind, filter, Object.keys(listQuery))
  const { page_size: pageSize, page_token: pageToken } = parsed
  return { kind: kind.id, project, filter, pageSize, pageToken, ...shown(parsed) }
}

function shown({ at, min_revision: minRevision, consistency }: Query<typeof readQuery>) {
  return { at, minRevision, consistency }
}

function stamped(reply: FastifyReply, answer: ReadReply): ReadReply {
  reply.header('x-ultracloud-revision', String(answer.revision))
  reply.header('x-ultracloud-history', answer.history)
  return answer
}
