import { createServer, type Server, type Socket } from 'node:net'
import type { Bounds } from './bounds.ts'
import { errorCode } from './error-code.ts'

export type ConditionCode =
  | 'ADDRESS_IN_USE'
  | 'ADDRESS_NOT_AVAILABLE'
  | 'PERMISSION_DENIED'
  | 'LISTEN_FAILED'
  | 'INVALID_ROW'
  | 'TOO_MANY_LISTENERS'
  | 'NO_MEMBERS'
  | 'NO_MEMBER_AVAILABLE'

export interface Condition {
  readonly code: ConditionCode
  /** For a person: what is wrong and what would help. */
  readonly reason: string
}

/** Listens at one address; a bind that fails is tried again, ever more slowly, until it holds or the acceptor closes. */
export class Acceptor {
  readonly address: string
  readonly port: number
  readonly #bounds: Bounds
  readonly #receive: (socket: Socket) => void
  #server: Server | null = null
  #retry: NodeJS.Timeout | null = null
  #retryMilliseconds: number
  #condition: Condition | null = null
  #closed = false

  constructor(address: string, port: number, bounds: Bounds, receive: (socket: Socket) => void) {
    this.address = address
    this.port = port
    this.#bounds = bounds
    this.#receive = receive
    this.#retryMilliseconds = bounds.bindRetryMilliseconds
  }

  /** Why nothing listens; null while all is well. */
  get condition(): Condition | null {
    return this.#condition
  }

  /** Null while not bound. */
  get bound(): { readonly address: string; readonly port: number } | null {
    const address = this.#server?.address()
    if (address === null || address === undefined || typeof address === 'string') return null
    return { address: address.address, port: address.port }
  }

  /** Ends with the first attempt, whether it held or not; `condition` says which. */
  bind(): Promise<void> {
    return new Promise((resolve) => {
      const server = createServer({
        allowHalfOpen: true,
        pauseOnConnect: true,
        noDelay: true,
        keepAlive: true,
      })
      server.on('connection', this.#receive)
      server.on('error', (error) => {
        server.close()
        this.#failed(error)
        resolve()
      })
      server.listen({ host: this.address, port: this.port, backlog: 1_024, exclusive: true }, () => {
        if (this.#closed) server.close()
        else {
          this.#server = server
          this.#condition = null
          this.#retryMilliseconds = this.#bounds.bindRetryMilliseconds
        }
        resolve()
      })
    })
  }

  /** Gives the address back at once. Connections that were accepted go on. */
  close(): void {
    this.#closed = true
    if (this.#retry !== null) clearTimeout(this.#retry)
    this.#server?.close()
    this.#server = null
  }

  #failed(error: Error): void {
    this.#server = null
    if (this.#closed) return
    this.#condition = bindCondition(error, this.address, this.port)
    this.#retry = setTimeout(() => void this.bind(), this.#retryMilliseconds)
    this.#retryMilliseconds = Math.min(this.#retryMilliseconds * 2, this.#bounds.bindRetryMillisecondsMax)
  }
}

function bindCondition(error: Error, address: string, port: number): Condition {
  switch (errorCode(error)) {
    case 'EADDRINUSE':
      return { code: 'ADDRESS_IN_USE', reason: `another process or listener has ${address} port ${port}` }
    case 'EADDRNOTAVAIL':
      return { code: 'ADDRESS_NOT_AVAILABLE', reason: `${address} is not an address of this host` }
    case 'EACCES':
      return { code: 'PERMISSION_DENIED', reason: `the balancer may not listen on port ${port}` }
    default:
      return { code: 'LISTEN_FAILED', reason: `listen on ${address} port ${port}: ${error.message}` }
  }
}
