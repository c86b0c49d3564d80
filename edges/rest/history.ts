import type { FastifyInstance } from 'fastify'
import { Rejection } from '../../domains/kernel/rejection.ts'
import { clusterStatus } from '../cluster_status.ts'
import type { ControlPlane } from '../control_plane.ts'
import { whenLogIsFresh } from '../fresh_log.ts'
import type { Authenticated } from './authenticate.ts'
import type { Forward } from './forward.ts'
import { diffQuery, logQuery, parseQuery, whyQuery } from './query.ts'

const LOG_LIMIT = 100

/** Serves what happened, and what the cluster is doing. */
export function addHistory(
  app: FastifyInstance,
  control: ControlPlane,
  forward: Forward,
  who: Authenticated,
): void {
  app.route({
    method: 'GET',
    url: '/api/v1/log',
    handler: async (request) => {
      const { from = 1, limit = LOG_LIMIT, type } = parseQuery(logQuery, request.query)
      const [actor, token] = [who.actor(request), who.token(request)]
      await whenLogIsFresh(control, actor, (leader) => forward.committed(leader, token))
      return await control.log(actor, { from: Math.max(1, from), limit, type })
    },
  })
  app.route<{ Params: { kind: string; name: string } }>({
    method: 'GET',
    url: '/api/v1/why/:kind/:name',
    handler: async (request) => {
      const { kind, name } = request.params
      if (!control.registry.kinds.has(kind)) throw new Rejection('NOT_FOUND', `there is no kind ${kind}`)
      const { project } = parseQuery(whyQuery, request.query)
      const leader = control.leaderAddress()
      const resource = { kind, name, ...(project === undefined ? {} : { project }) }
      return {
        entries:
          leader === undefined
            ? await control.why(who.actor(request), kind, name, project)
            : await forward.why(leader, resource, who.token(request)),
      }
    },
  })
  app.route({
    method: 'GET',
    url: '/api/v1/diff',
    handler: async (request) => {
      const { from, to = '' } = parseQuery(diffQuery, request.query)
      if (from === undefined) throw new Rejection('INVALID_ARGUMENT', 'from: is needed')
      const leader = control.leaderAddress()
      return leader === undefined
        ? await control.diff(who.actor(request), from, to)
        : await forward.diff(leader, from, to, who.token(request))
    },
  })
  app.route({
    method: 'GET',
    url: '/api/v1/status',
    handler: async (request) => {
      parseQuery({}, request.query)
      const token = who.token(request)
      return await clusterStatus(control, who.actor(request), (leader) => forward.status(leader, token))
    },
  })
}
