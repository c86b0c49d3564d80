import { type ClientRequest, type IncomingMessage, type ServerResponse, request as send } from 'node:http'
import type { Backend } from './backend.ts'
import type { Bounds } from './bounds.ts'
import { errorCode } from './error-code.ts'
import { hasBody, hops, hopsMax, type RequestHead, requestHead, responseFields } from './http-headers.ts'
import { closeInStages, closeWithProblem, type ProblemCode, respondProblem } from './http-problem.ts'
import { whenConnected } from './member-connect.ts'
import type { AcquireFailure, Pool } from './pool.ts'
import { plainAddress } from './source-hash.ts'

export interface ExchangeContext {
  readonly pool: Pool
  readonly bounds: Bounds
  /** Counts an answer the balancer gave by itself. */
  readonly problem: (code: ProblemCode) => void
}

/** Safe to send twice when the first sending may have had its effect (RFC 9110 §9.2.2). */
const idempotentMethods: ReadonlySet<string> = new Set(['GET', 'HEAD', 'OPTIONS', 'PUT', 'DELETE', 'TRACE'])

export const acquireProblems: Readonly<Record<AcquireFailure, ProblemCode>> = {
  NO_MEMBER: 'NO_MEMBER_AVAILABLE',
  QUEUE_FULL: 'QUEUE_FULL',
  QUEUE_TIMEOUT: 'QUEUE_TIMEOUT',
}

/** One request and its response, from a client to a member and back. */
export class Exchange {
  readonly #context: ExchangeContext
  readonly #request: IncomingMessage
  readonly #response: ServerResponse
  readonly #source: string
  readonly #hasBody: boolean
  readonly #tried = new Set<Backend>()
  #head: RequestHead = { fields: [], target: '' }
  #outgoing: ClientRequest | null = null
  #leaveQueue: (() => void) | null = null
  #responseTimer: NodeJS.Timeout | null = null
  #resent = false
  #bodyBytes = 0
  #refused = false

  constructor(context: ExchangeContext, request: IncomingMessage, response: ServerResponse) {
    this.#context = context
    this.#request = request
    this.#response = response
    this.#source = plainAddress(request.socket.remoteAddress ?? '')
    this.#hasBody = hasBody(request)
  }

  start(): void {
    this.#response.once('close', () => this.#ended())
    this.#response.on('error', ignore)
    const refusal = this.#refusal()
    if (refusal !== null) {
      this.fail(refusal)
      return
    }
    this.#next()
  }

  /** The client's connection has not moved for the idle time. */
  idle(): void {
    if (this.#response.headersSent) this.#cut()
    else if (this.#outgoing?.writableNeedDrain === true) this.fail('MEMBER_TIMEOUT')
    else if (!this.#request.complete) this.fail('REQUEST_TIMEOUT')
  }

  /** True while the client is still sending the request. */
  get receiving(): boolean {
    return this.#hasBody && !this.#request.complete
  }

  /** Ends the exchange: with an answer while none has begun, else by cutting the connection, so that it shows. */
  fail(code: ProblemCode): void {
    if (this.#refused) return
    this.#refused = true
    const outgoing = this.#outgoing
    this.#outgoing = null
    if (outgoing !== null) {
      this.#request.unpipe(outgoing).resume()
      outgoing.destroy()
    }
    if (this.#response.headersSent || this.#response.destroyed) {
      this.#cut()
      return
    }
    this.#context.problem(code)
    if (this.receiving) {
      closeWithProblem(this.#request.socket, code, this.#request.method !== 'HEAD')
    } else {
      respondProblem(this.#response, code)
    }
  }

  #refusal(): ProblemCode | null {
    const { bounds } = this.#context
    if (this.#request.rawHeaders.length / 2 > bounds.headerFieldsMax) return 'HEADER_TOO_LARGE'
    const coding = this.#request.headers['transfer-encoding']
    if (coding !== undefined && coding.toLowerCase() !== 'chunked') return 'TRANSFER_CODING_UNKNOWN'
    if (Number(this.#request.headers['content-length'] ?? 0) > bounds.requestBodyBytesMax)
      return 'BODY_TOO_LARGE'
    if (hops(this.#request) >= hopsMax) return 'LOOP_DETECTED'
    const head = requestHead(this.#request, this.#source)
    if (head === null) return 'REQUEST_MALFORMED'
    this.#head = head
    return null
  }

  #next(): void {
    this.#leaveQueue = this.#context.pool.acquire(this.#source, this.#tried, (acquired) => {
      if (typeof acquired !== 'string') this.#send(acquired)
      else
        this.fail(
          this.#tried.size > 0 && acquired === 'NO_MEMBER' ? 'MEMBER_UNREACHABLE' : acquireProblems[acquired],
        )
    })
  }

  #send(backend: Backend): void {
    const outgoing = this.#open(backend)
    if (outgoing === null) {
      this.#context.pool.release(backend)
      this.fail('REQUEST_MALFORMED')
      return
    }
    const cut = (): void => this.#cut()
    let connected = false
    let failure: Error | null = null
    backend.cuts.add(cut)
    this.#outgoing = outgoing
    whenConnected(outgoing, this.#context.bounds.connectMilliseconds, () => {
      connected = true
      this.#sendBody(outgoing)
    })
    outgoing.on('information', (information) =>
      this.#passInformation(information.statusCode, information.rawHeaders),
    )
    outgoing.on('response', (incoming) => this.#passResponse(incoming))
    outgoing.on('error', (error) => {
      failure ??= error
    })
    outgoing.once('close', () => {
      backend.cuts.delete(cut)
      this.#context.pool.release(backend)
      if (failure !== null && this.#outgoing === outgoing) this.#failed(backend, outgoing, failure, connected)
    })
  }

  /** Null when node:http refuses to write such a head. */
  #open(backend: Backend): ClientRequest | null {
    try {
      return send({
        agent: backend.agent,
        host: backend.address,
        port: backend.port,
        method: this.#request.method ?? 'GET',
        path: this.#head.target,
        headers: this.#head.fields,
        setHost: false,
        maxHeaderSize: this.#context.bounds.headerBytesMax,
      })
    } catch {
      return null
    }
  }

  #sendBody(outgoing: ClientRequest): void {
    outgoing.once('finish', () => {
      if (this.#outgoing !== outgoing || this.#response.headersSent) return
      this.#responseTimer = setTimeout(
        () => this.fail('MEMBER_TIMEOUT'),
        this.#context.bounds.responseMilliseconds,
      )
    })
    if (!this.#hasBody) {
      outgoing.end()
      return
    }
    if (this.#request.readableLength === 0) outgoing.flushHeaders()
    this.#request.on('data', (chunk: Buffer) => {
      this.#bodyBytes += chunk.length
      if (this.#bodyBytes > this.#context.bounds.requestBodyBytesMax) this.fail('BODY_TOO_LARGE')
    })
    this.#request.pipe(outgoing)
  }

  #passInformation(status: number, fields: readonly string[]): void {
    if (this.#response.headersSent || this.#request.httpVersion !== '1.1') return
    if (status === 100) this.#response.writeContinue()
    else if (status !== 101) this.#response.writeInformation(status, [...fields])
  }

  #passResponse(incoming: IncomingMessage): void {
    this.#clearResponseTimer()
    incoming.on('error', () => this.#cut())
    if (this.#response.destroyed) return
    try {
      this.#response.writeHead(
        incoming.statusCode ?? 502,
        incoming.statusMessage ?? '',
        responseFields(incoming),
      )
    } catch {
      this.fail('MEMBER_RESPONSE_INVALID')
      return
    }
    // The head waits for the first bytes of the body only when they came along with it.
    process.nextTick(() => {
      if (incoming.readableLength === 0 && !incoming.complete) this.#response.flushHeaders()
    })
    incoming.pipe(this.#response)
  }

  #failed(backend: Backend, outgoing: ClientRequest, failure: Error, connected: boolean): void {
    this.#clearResponseTimer()
    if (this.#response.headersSent || this.#response.destroyed) {
      if (!this.#response.writableEnded) this.#cut()
      return
    }
    if (!connected) {
      this.#context.pool.connectFailed(backend, failure)
      this.#tried.add(backend)
      if (this.#tried.size >= this.#context.bounds.connectAttemptsMax) this.fail('MEMBER_UNREACHABLE')
      else this.#next()
      return
    }
    const code = errorCode(failure)
    if (outgoing.reusedSocket && code === 'ECONNRESET' && this.#mayResend()) {
      // The member closed an idle connection just as it was used again (RFC 9112 §9.3.1).
      this.#resent = true
      this.#next()
      return
    }
    this.fail(code.startsWith('HPE_') ? 'MEMBER_RESPONSE_INVALID' : 'MEMBER_CONNECTION_LOST')
  }

  #mayResend(): boolean {
    return !this.#resent && !this.#hasBody && idempotentMethods.has(this.#request.method ?? '')
  }

  #cut(): void {
    if (!this.#request.socket.destroyed) this.#request.socket.resetAndDestroy()
    this.#outgoing?.destroy()
  }

  /** The response is complete or the client is gone. */
  #ended(): void {
    this.#clearResponseTimer()
    this.#leaveQueue?.()
    const outgoing = this.#outgoing
    this.#outgoing = null
    if (!this.#response.writableFinished || outgoing?.writableFinished === false) outgoing?.destroy()
    if (!this.receiving || this.#refused) return
    // The member answered without waiting for the whole body, which nobody needs now.
    if (outgoing !== null) this.#request.unpipe(outgoing)
    this.#request.resume()
    closeInStages(this.#request.socket)
  }

  #clearResponseTimer(): void {
    if (this.#responseTimer !== null) clearTimeout(this.#responseTimer)
    this.#responseTimer = null
  }
}

/** A broken client connection shows as 'close' of the response. */
function ignore(): void {}
