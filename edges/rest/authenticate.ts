import type { FastifyInstance, FastifyRequest } from 'fastify'
import type { Actor } from '../../domains/kernel/domain.ts'
import { Rejection } from '../../domains/kernel/rejection.ts'
import { bearerToken } from '../bearer.ts'
import type { ControlPlane } from '../control_plane.ts'

/** Who a request is from: known before its body is read. */
export interface Authenticated {
  actor(request: FastifyRequest): Actor
  token(request: FastifyRequest): string | undefined
}

/** Authenticates every request below `/api/` before its body is read. */
export function addAuthentication(app: FastifyInstance, control: ControlPlane): Authenticated {
  const actors = new WeakMap<FastifyRequest, Actor>()
  const token = (request: FastifyRequest): string | undefined => bearerToken(request.headers.authorization)
  app.addHook('onRequest', (request, _, done) => {
    if (request.url.startsWith('/api/')) actors.set(request, control.authenticate(token(request)))
    done()
  })
  return {
    token,
    actor: (request) => {
      const actor = actors.get(request)
      if (actor === undefined) throw new Rejection('UNAUTHENTICATED', 'a bearer token is needed')
      return actor
    },
  }
}
