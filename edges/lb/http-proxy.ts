import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import type { Bounds } from './bounds.ts'
import { errorCode } from './error-code.ts'
import { Exchange, type ExchangeContext } from './http-exchange.ts'
import { closeWithProblem, type ProblemCode } from './http-problem.ts'
import { mayUpgrade, Upgrade } from './http-upgrade.ts'
import type { Pool } from './pool.ts'
import { Splices } from './splice.ts'

/** The requests of one connection, one at a time: pipelined ones get their responses in order (RFC 9112 §9.3.2). */
interface Lane {
  current: Exchange | null
  /** The response to the latest request. */
  latest: ServerResponse | null
  readonly waiting: { readonly exchange: Exchange; readonly response: ServerResponse }[]
}

/** Serves the connections of an HTTP listener. */
export class HttpProxy {
  readonly #bounds: Bounds
  readonly #context: ExchangeContext
  readonly #server: Server
  readonly #splices: Splices
  readonly #lanes = new Map<Socket, Lane>()
  readonly #problems = new Map<ProblemCode, number>()
  #requests = 0
  #draining = false
  #relieving = false

  constructor(pool: Pool, bounds: Bounds) {
    this.#bounds = bounds
    this.#context = { pool, bounds, problem: (code) => this.#count(code) }
    this.#splices = new Splices(bounds.idleMilliseconds)
    this.#server = createServer({
      maxHeaderSize: bounds.headerBytesMax,
      headersTimeout: bounds.headersMilliseconds,
      requestTimeout: bounds.requestMilliseconds,
      keepAliveTimeout: bounds.keepAliveMilliseconds,
      keepAliveTimeoutBuffer: 0,
      connectionsCheckingInterval: Math.max(10, Math.min(1_000, bounds.headersMilliseconds / 4)),
      httpValidation: 'strict',
      optimizeEmptyRequests: true,
      shouldUpgradeCallback: mayUpgrade,
    })
    // Fields above the count would be dropped in silence; all are kept and counted instead.
    this.#server.maxHeadersCount = 0
    // A client that has ended its side after the request still gets the response.
    Object.assign(this.#server, { httpAllowHalfOpen: true })
    this.#server.timeout = bounds.idleMilliseconds
    const take = (request: IncomingMessage, response: ServerResponse): void => this.#take(request, response)
    this.#server.on('request', take)
    this.#server.on('checkContinue', take)
    this.#server.on('checkExpectation', (request, response) => {
      this.#refuse(request.socket, 'EXPECTATION_UNKNOWN')
      response.destroy()
    })
    this.#server.on('upgrade', (request, socket, head) => this.#upgrade(request, socket as Socket, head))
    this.#server.on('connect', (_request, socket) => this.#refuse(socket as Socket, 'METHOD_NOT_IMPLEMENTED'))
    this.#server.on('timeout', (socket) => this.#idle(socket))
    this.#server.on('clientError', (error, socket) => this.#clientError(error, socket as Socket))
    // The server does not listen itself, but its check for slow requests starts with this event.
    this.#server.emit('listening')
  }

  get requests(): number {
    return this.#requests
  }

  /** Answers the balancer gave by itself, by code. */
  get problems(): ReadonlyMap<ProblemCode, number> {
    return this.#problems
  }

  serve(client: Socket): void {
    const lane: Lane = { current: null, latest: null, waiting: [] }
    this.#lanes.set(client, lane)
    client.once('close', () => this.#lanes.delete(client))
    this.#server.emit('connection', client)
    // node:http resumes after each request it has parsed, by a listener before this one; those that wait come first.
    client.on('resume', () => {
      if (lane.waiting.length > 0) client.pause()
    })
    client.resume()
  }

  /** Each connection ends with the response under way; idle ones end now. */
  drain(): void {
    this.#draining = true
    this.#server.close()
    // close() also stopped the check for slow requests, which must go on for those still arriving.
    this.#server.emit('listening')
    for (const [socket, { latest }] of this.#lanes) {
      if (socket.bytesRead === 0) socket.destroy()
      else if (latest !== null) latest.shouldKeepAlive = false
    }
  }

  /** Others wait for a place: connections that idle make room, the rest end with their next response. */
  relieve(waiting: boolean): void {
    this.#relieving = waiting
    if (waiting) this.#server.closeIdleConnections()
  }

  stop(): void {
    this.#server.close()
  }

  #take(request: IncomingMessage, response: ServerResponse): void {
    const { socket } = request
    const lane = this.#lanes.get(socket)
    if (lane === undefined || !socket.writable) return
    this.#requests += 1
    if (this.#draining || this.#relieving) response.shouldKeepAlive = false
    lane.latest = response
    const exchange = new Exchange(this.#context, request, response)
    if (lane.current === null) {
      this.#start(socket, lane, exchange, response)
    } else if (lane.waiting.length < this.#bounds.pipelinedRequestsMax) {
      lane.waiting.push({ exchange, response })
      socket.pause()
    } else {
      socket.destroy()
    }
  }

  #start(socket: Socket, lane: Lane, exchange: Exchange, response: ServerResponse): void {
    lane.current = exchange
    response.once('close', () => {
      lane.current = null
      if (socket.destroyed) return
      const next = lane.waiting.shift()
      if (next !== undefined) this.#start(socket, lane, next.exchange, next.response)
      else if (this.#draining) socket.destroySoon()
      if (lane.waiting.length === 0) socket.resume()
    })
    exchange.start()
  }

  #upgrade(request: IncomingMessage, socket: Socket, head: Buffer): void {
    this.#requests += 1
    if (this.#lanes.get(socket)?.current !== null) {
      // Pipelined behind a request still under way: its response could no longer be told from the new protocol.
      socket.destroy()
      return
    }
    if (head.length > 0) socket.unshift(head)
    new Upgrade(this.#context, this.#splices, request, socket).start()
  }

  #idle(socket: Socket): void {
    const exchange = this.#lanes.get(socket)?.current
    if (exchange === null || exchange === undefined) socket.destroy()
    else exchange.idle()
  }

  #clientError(error: Error, socket: Socket): void {
    const lane = this.#lanes.get(socket)
    const code = problemOf(errorCode(error))
    if (code === null || lane === undefined) socket.destroy()
    else if (lane.current === null) this.#refuse(socket, code)
    else if (lane.current.receiving) lane.current.fail(code)
    else {
      // What came after the requests so far was not one. Said once they are answered, before the connection is ended.
      lane.latest?.prependOnceListener('finish', () => this.#refuse(socket, code))
    }
  }

  #refuse(socket: Socket, code: ProblemCode): void {
    this.#count(code)
    closeWithProblem(socket, code)
  }

  #count(code: ProblemCode): void {
    this.#problems.set(code, (this.#problems.get(code) ?? 0) + 1)
  }
}

/** Null for connections that broke, which nobody can be told about. */
function problemOf(code: string): ProblemCode | null {
  if (code === 'HPE_HEADER_OVERFLOW') return 'HEADER_TOO_LARGE'
  if (code === 'HPE_CHUNK_EXTENSIONS_OVERFLOW') return 'REQUEST_MALFORMED'
  if (code === 'ERR_HTTP_REQUEST_TIMEOUT') return 'REQUEST_TIMEOUT'
  return code.startsWith('HPE_') ? 'REQUEST_MALFORMED' : null
}
