import { type ClientRequest, type IncomingMessage, ServerResponse, request as send } from 'node:http'
import type { Socket } from 'node:net'
import type { Backend } from './backend.ts'
import { acquireProblems, type ExchangeContext } from './http-exchange.ts'
import { hasBody, hops, hopsMax, requestHead, responseFields } from './http-headers.ts'
import { closeWithProblem, type ProblemCode } from './http-problem.ts'
import { whenConnected } from './member-connect.ts'
import { plainAddress } from './source-hash.ts'
import type { Splices } from './splice.ts'

/**
 * Whether a request that asks for an upgrade is passed on as one. `h2c` is not: a server may ignore an upgrade
 * (RFC 9110 §7.8), and the balancer could not look into what would follow.
 */
export function mayUpgrade(request: IncomingMessage): boolean {
  return !hasBody(request) && !/(?:^|[\s,])h2c?(?:$|[\s,/])/i.test(request.headers.upgrade ?? '')
}

/** One upgrade (WebSocket or another protocol): asks a member, and joins both connections when it agrees. */
export class Upgrade {
  readonly #context: ExchangeContext
  readonly #splices: Splices
  readonly #request: IncomingMessage
  readonly #client: Socket
  readonly #source: string
  readonly #tried = new Set<Backend>()
  #fields: string[] = []
  #target = ''
  #answered = false
  #timedOut = false

  constructor(context: ExchangeContext, splices: Splices, request: IncomingMessage, client: Socket) {
    this.#context = context
    this.#splices = splices
    this.#request = request
    this.#client = client
    this.#source = plainAddress(client.remoteAddress ?? '')
  }

  start(): void {
    this.#client.setTimeout(0)
    const head = requestHead(this.#request, this.#source)
    if (this.#request.rawHeaders.length / 2 > this.#context.bounds.headerFieldsMax)
      this.#refuse('HEADER_TOO_LARGE')
    else if (hops(this.#request) >= hopsMax) this.#refuse('LOOP_DETECTED')
    else if (head === null) this.#refuse('REQUEST_MALFORMED')
    else {
      this.#fields = [...head.fields, 'Connection', 'Upgrade', 'Upgrade', this.#request.headers.upgrade ?? '']
      this.#target = head.target
      this.#next()
    }
  }

  #next(): void {
    let leave = (): void => undefined
    const leaveOnClose = (): void => leave()
    this.#client.once('close', leaveOnClose)
    leave = this.#context.pool.acquire(this.#source, this.#tried, (acquired) => {
      this.#client.off('close', leaveOnClose)
      if (typeof acquired !== 'string') this.#send(acquired)
      else
        this.#refuse(
          this.#tried.size > 0 && acquired === 'NO_MEMBER' ? 'MEMBER_UNREACHABLE' : acquireProblems[acquired],
        )
    })
  }

  #send(backend: Backend): void {
    const outgoing = this.#open(backend)
    if (outgoing === null) {
      this.#context.pool.release(backend)
      this.#refuse('REQUEST_MALFORMED')
      return
    }
    let member: Socket | null = null
    let connected = false
    const cut = (): void => void (member ?? outgoing).destroy()
    const released = (): void => {
      this.#client.off('close', cut)
      backend.cuts.delete(cut)
      this.#context.pool.release(backend)
    }
    const { connectMilliseconds, responseMilliseconds } = this.#context.bounds
    const timer = setTimeout(() => {
      this.#timedOut = true
      outgoing.destroy(new Error(`no response within ${responseMilliseconds} ms`))
    }, connectMilliseconds + responseMilliseconds)
    backend.cuts.add(cut)
    this.#client.once('close', cut)
    whenConnected(outgoing, connectMilliseconds, () => {
      connected = true
    })
    outgoing.once('upgrade', (response, socket, head) => {
      member = socket
      socket.once('close', released)
      this.#client.off('close', cut)
      this.#join(response, socket, head)
    })
    outgoing.once('response', (response) => {
      this.#answered = true
      passPlainly(this.#request, this.#client, response)
    })
    let failure: Error | null = null
    outgoing.once('error', (error) => {
      failure = error
    })
    outgoing.once('close', () => {
      clearTimeout(timer)
      if (member !== null) return
      released()
      if (failure !== null) this.#failed(backend, failure, connected)
    })
    outgoing.end()
  }

  /** Null when node:http refuses to write such a head. */
  #open(backend: Backend): ClientRequest | null {
    try {
      return send({
        host: backend.address,
        port: backend.port,
        method: this.#request.method ?? 'GET',
        path: this.#target,
        headers: this.#fields,
        setHost: false,
        agent: false,
        maxHeaderSize: this.#context.bounds.headerBytesMax,
      })
    } catch {
      return null
    }
  }

  #join(response: IncomingMessage, member: Socket, head: Buffer): void {
    this.#client.write(head101(response), 'latin1')
    if (head.length > 0) member.unshift(head)
    this.#splices.join(this.#client, member)
  }

  #failed(backend: Backend, failure: Error, connected: boolean): void {
    if (this.#answered || this.#client.destroyed) {
      this.#client.destroy()
    } else if (this.#timedOut) {
      this.#refuse('MEMBER_TIMEOUT')
    } else if (connected) {
      this.#refuse('MEMBER_CONNECTION_LOST')
    } else {
      this.#context.pool.connectFailed(backend, failure)
      this.#tried.add(backend)
      if (this.#tried.size >= this.#context.bounds.connectAttemptsMax) this.#refuse('MEMBER_UNREACHABLE')
      else this.#next()
    }
  }

  #refuse(code: ProblemCode): void {
    this.#context.problem(code)
    closeWithProblem(this.#client, code)
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
  response.on('error', () => undefined)
  response.assignSocket(client)
  response.shouldKeepAlive = false
  response.once('finish', () => client.destroySoon())
  incoming.on('error', () => client.resetAndDestroy())
  response.writeHead(incoming.statusCode ?? 502, incoming.statusMessage ?? '', responseFields(incoming))
  incoming.pipe(response)
}
