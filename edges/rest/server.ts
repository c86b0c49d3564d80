import type { ServerOptions } from 'node:http'
import { createServer } from 'node:https'
import type { AddressInfo } from 'node:net'
import fastify, { type FastifyInstance, type FastifyReply, type FastifyServerFactory } from 'fastify'
import { Rejection } from '../../domains/kernel/rejection.ts'
import type { SecureListening } from '../../log/tls/grpc_listener.ts'
import { cutting, guard, secureServerOptions } from '../../log/tls/guard.ts'
import type { ControlPlane } from '../control_plane.ts'
import { type Authenticated, addAuthentication } from './authenticate.ts'
import { refuseBroken } from './broken_request.ts'
import { addCommands } from './commands.ts'
import type { Forward } from './forward.ts'
import { addHistory } from './history.ts'
import { openApi } from './openapi.ts'
import { fault, knownProblem, PROBLEM_TYPE, type Problem, problemOf } from './problem.ts'
import { addReads } from './reads.ts'

export interface RestServerOptions {
  readonly control: ControlPlane
  readonly forward: Forward
  /** Routes of other edges, on the same port and behind the same authentication. */
  readonly more?: readonly ((app: FastifyInstance, who: Authenticated) => void)[]
  readonly host: string
  /** 0 takes a free one. */
  readonly port: number
  /** Without it, plaintext is served. */
  readonly secure?: SecureListening | undefined
  /** A fault of the service, never a rejection. */
  readonly onFault: (error: unknown, where: string) => void
  /** How long a client may take to send a request, its headers, or nothing at all. */
  readonly clientTimeoutMilliseconds?: number
}

export interface RestServer {
  readonly port: number
  /** Stops taking requests; after the grace every connection is cut. */
  close(graceMilliseconds: number): Promise<void>
}

const BODY_BYTES_MAX = 1024 * 1024
const CONNECTIONS_MAX = 2048

/** Serves reads, commands as JSON, and their description. Rejects when the address can not be bound. */
export async function startRestServer(options: RestServerOptions): Promise<RestServer> {
  const app = restApp(options)
  await app.listen({ host: options.host, port: options.port })
  app.server.maxConnections = CONNECTIONS_MAX
  return {
    port: (app.server.address() as AddressInfo).port,
    close: async (graceMilliseconds) => {
      const timer = setTimeout(() => app.server.closeAllConnections(), graceMilliseconds)
      await app.close()
      clearTimeout(timer)
    },
  }
}

function restApp(options: RestServerOptions): FastifyInstance {
  const { control, forward, secure, onFault, clientTimeoutMilliseconds = 30_000 } = options
  const timeouts = { requestTimeout: clientTimeoutMilliseconds, keepAliveTimeout: clientTimeoutMilliseconds }
  const http = {
    headersTimeout: clientTimeoutMilliseconds,
    connectionsCheckingInterval: Math.ceil(clientTimeoutMilliseconds / 4),
  }
  const app = fastify({
    bodyLimit: BODY_BYTES_MAX,
    ...timeouts,
    forceCloseConnections: 'idle',
    routerOptions: { maxParamLength: 255 },
    http,
    ...(secure === undefined ? {} : { serverFactory: secureServer(secure, { ...http, ...timeouts }) }),
    clientErrorHandler: refuseBroken,
    frameworkErrors: (error, _, reply) => sendProblem(reply, knownProblem(error) ?? fault),
  })
  app.removeContentTypeParser('text/plain')
  app.setErrorHandler((error, request, reply) => {
    const problem = knownProblem(error)
    if (problem === undefined) onFault(error, `${request.method} ${request.routeOptions.url ?? ''}`)
    return sendProblem(reply, problem ?? fault)
  })
  app.setNotFoundHandler((request, reply) => {
    const nothing = new Rejection('NOT_FOUND', `there is nothing at ${request.method} ${request.url}`)
    return sendProblem(reply, problemOf(nothing))
  })
  const description = openApi(control.registry)
  app.get('/healthz', () => ({ status: 'ok' }))
  app.get('/openapi.json', () => description)
  const who = addAuthentication(app, control)
  addReads(app, control, forward, who)
  addCommands(app, control, forward, who)
  addHistory(app, control, forward, who)
  for (const add of options.more ?? []) add(app, who)
  return app
}

/** HTTPS with the same bounds; new certificates are taken up while it serves. */
function secureServer({ tls, clients, warn }: SecureListening, http: ServerOptions): FastifyServerFactory {
  return (handler) => {
    const server = createServer({ ...http, ...secureServerOptions(tls, clients) }, handler)
    guard(server, tls, clients, warn)
    // HTTP knows nothing of those who are still in their handshake.
    server.closeAllConnections = cutting(server)
    return server
  }
}

function sendProblem(reply: FastifyReply, problem: Problem): FastifyReply {
  if (problem.status === 401) reply.header('www-authenticate', 'Bearer')
  if (problem.status === 429 || problem.status === 503) reply.header('retry-after', '1')
  return reply.code(problem.status).type(PROBLEM_TYPE).send(problem)
}
