import type { FastifyInstance } from 'fastify'
import { Rejection } from '../../domains/kernel/rejection.ts'
import type { ControlPlane } from '../control_plane.ts'
import type { Authenticated } from './authenticate.ts'
import { diffQuery, logQuery, parseQuery, whyQuery } from './query.ts'

const LOG_LIMIT = 100

/** Serves what happened, and what the cluster is doing. */
export function addHistory(app: FastifyInstance, control: ControlPlane, who: Authenticated): void {
  app.route({
    method: 'GET',
    url: '/api/v1/log',
    handler: async (request) => {
      const { from = 1, limit = LOG_LIMIT, type } = parseQuery(logQuery, request.query)
      return await control.log(who.actor(request), { from: Math.max(1, from), limit, type })
    },
  })
  app.route<{ Params: { kind: string; name: string } }>({
    method: 'GET',
    url: '/api/v1/why/:kind/:name',
    handler: async (request) => {
      const { kind, name } = request.params
      if (!control.registry.kinds.has(kind)) throw new Rejection('NOT_FOUND', `there is no kind ${kind}`)
      const { project } = parseQuery(whyQuery, request.query)
      return { entries: await control.why(who.actor(request), kind, name, project) }
    },
  })
  app.route({
    method: 'GET',
    url: '/api/v1/diff',
    handler: async (request) => {
      const { from, to = '' } = parseQuery(diffQuery, request.query)
      if (from === undefined) throw new Rejection('INVALID_ARGUMENT', 'from: is needed')
      return await control.diff(who.actor(request), from, to)
    },
  })
  app.route({
    method: 'GET',
    url: '/api/v1/status',
    handler: async (request) => {
      parseQuery({}, request.query)
      return await control.status(who.actor(request))
    },
  })
}
