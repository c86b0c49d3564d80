import { type IncomingMessage, ServerResponse, request as send } from 'node:http'
import type { Socket } from 'node:net'
import type { Backend } from './backend.ts'
import type { ExchangeContext } from './http-exchange.ts'
import { hasBody, requestHead, responseFields } from './http-headers.ts'
import { closeWithProblem, type ProblemCode } from './http-problem.ts'
import { plainAddress } from './source-hash.ts'
import { Splices } from './splice.ts'

/**
 * Whether a request that asks for an upgrade is passed on as one. `h2c` is not: a server may ignore an upgrade
 * (RFC 9110 §7.8), and the balancer could not look into what would follow.
 */
export function mayUpgrade(request: IncomingMessage): boolean {
  return !hasBody(request) && !/(?:^|[\s,])h2c?(?:$|[\s,/])/i.test(request.headers.upgrade ?? '')
}

/** Passes protocol upgrades (WebSocket and others) to a member and joins both connections when it agrees. */
export class Upgrades {
  readonly #context: ExchangeContext
  readonly #splices: Splices

  constructor(context: ExchangeContext) {
    this.#context = context
    this.#splices = new Splices(context.bounds.idleMilliseconds)
  }

  take(request: IncomingMessage, client: Socket): void {
    client.setTimeout(0)
    const head = requestHead(request, plainAddress(client.remoteAddress ?? ''))
    if (head === null) {
      this.#refuse(client, 'REQUEST_MALFORMED')
      return
    }
    head.fields.push('Connection', 'Upgrade', 'Upgrade', request.headers.upgrade ?? '')
    this.#next(request, client, head.fields, head.target, new Set())
  }

  #next(
    request: IncomingMessage,
    client: Socket,
    fields: string[],
    target: string,
    tried: Set<Backend>,
  ): void {
    const source = plainAddress(client.remoteAddress ?? '')
    this.#context.pool.acquire(source, tried, (acquired) => {
      if (typeof acquired === 'string') {
        this.#refuse(client, tried.size > 0 ? 'MEMBER_UNREACHABLE' : 'NO_MEMBER_AVAILABLE')
      } else if (client.destroyed) {
        this.#context.pool.release(acquired)
      } else {
        this.#send(acquired, request, client, fields, target, tried)
      }
    })
  }

  #send(
    backend: Backend,
    request: IncomingMessage,
    client: Socket,
    fields: string[],
    target: string,
    tried: Set<Backend>,
  ): void {
    const { bounds, pool } = this.#context
    const outgoing = send({
      host: backend.address,
      port: backend.port,
      method: request.method ?? 'GET',
      path: target,
      headers: fields,
      setHost: false,
      agent: false,
    })
    let connected = false
    let released = false
    const cut = (): void => void outgoing.destroy()
    const release = (): void => {
      if (released) return
      released = true
      backend.cuts.delete(cut)
      pool.release(backend)
    }
    backend.cuts.add(cut)
    client.once('close', cut)
    const connectTimer = setTimeout(
      () => outgoing.destroy(new Error('no answer')),
      bounds.connectMilliseconds,
    )
    const responseTimer = setTimeout(
      () => outgoing.destroy(new Error('no response')),
      bounds.responseMilliseconds,
    )
    outgoing.once('socket', (socket) => {
      socket.once('connect', () => {
        connected = true
        clearTimeout(connectTimer)
      })
      socket.once('close', release)
    })
    outgoing.once('close', () => {
      clearTimeout(connectTimer)
      clearTimeout(responseTimer)
    })
    outgoing.once('upgrade', (response, member, memberHead) => {
      client.off('close', cut)
      client.write(head101(response))
      if (memberHead.length > 0) member.unshift(memberHead)
      this.#splices.join(client, member)
    })
    outgoing.once('response', (response) => passPlainly(request, client, response))
    outgoing.once('error', (error) => {
      release()
      client.off('close', cut)
      if (client.destroyed || client.bytesWritten > 0) {
        client.destroy()
      } else if (connected) {
        this.#refuse(client, 'MEMBER_CONNECTION_LOST')
      } else {
        pool.connectFailed(backend, error)
        tried.add(backend)
        if (tried.size >= bounds.connectAttemptsMax) this.#refuse(client, 'MEMBER_UNREACHABLE')
        else this.#next(request, client, fields, target, tried)
      }
    })
    outgoing.end()
  }

  #refuse(client: Socket, code: ProblemCode): void {
    this.#context.problem(code)
    closeWithProblem(client, code)
  }
}

function head101(response: IncomingMessage): string {
  const fields = responseFields(response)
  let head = `HTTP/1.1 101 ${response.statusMessage ?? 'Switching Protocols'}\r\n`
  for (let index = 0; index + 1 < fields.length; index += 2)
    head += `${fields[index]}: ${fields[index + 1]}\r\n`
  return `${head}Connection: Upgrade\r\nUpgrade: ${response.headers.upgrade ?? ''}\r\n\r\n`
}

/** The member declined: its response goes to the client as it is, and the connection ends after it. */
function passPlainly(request: IncomingMessage, client: Socket, incoming: IncomingMessage): void {
  const response = new ServerResponse(request)
  response.assignSocket(client)
  response.shouldKeepAlive = false
  response.once('finish', () => client.destroySoon())
  incoming.on('error', () => client.resetAndDestroy())
  response.writeHead(incoming.statusCode ?? 502, incoming.statusMessage ?? '', responseFields(incoming))
  incoming.pipe(response)
}
