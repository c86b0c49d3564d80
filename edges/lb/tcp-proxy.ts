import { connect, type Socket } from 'node:net'
import type { Backend } from './backend.ts'
import type { Bounds } from './bounds.ts'
import { connectTimeout } from './member-connect.ts'
import type { Pool } from './pool.ts'
import { plainAddress } from './source-hash.ts'
import { Splices } from './splice.ts'

/** Serves the connections of a TCP listener: a member for each, another one when the connect fails. */
export class TcpProxy {
  readonly #pool: Pool
  readonly #bounds: Bounds
  readonly #splices: Splices

  constructor(pool: Pool, bounds: Bounds) {
    this.#pool = pool
    this.#bounds = bounds
    this.#splices = new Splices(bounds.idleMilliseconds)
  }

  /** The client is not read before a member has accepted, so nothing is buffered for it meanwhile. */
  serve(client: Socket): void {
    this.#next(client, plainAddress(client.remoteAddress ?? ''), new Set())
  }

  /** Nothing to tell a TCP client: it goes on until it ends by itself or is cut. */
  drain(): void {}

  relieve(): void {}

  #next(client: Socket, source: string, tried: Set<Backend>): void {
    let leave = (): void => undefined
    const leaveOnClose = (): void => leave()
    client.once('close', leaveOnClose)
    leave = this.#pool.acquire(source, tried, (acquired) => {
      client.off('close', leaveOnClose)
      if (typeof acquired === 'string') client.destroy()
      else this.#connect(client, source, tried, acquired)
    })
  }

  #connect(client: Socket, source: string, tried: Set<Backend>, backend: Backend): void {
    const member = connect({
      host: backend.address,
      port: backend.port,
      allowHalfOpen: true,
      noDelay: true,
      keepAlive: true,
    })
    let failure: Error | null = null
    let connected = false
    const giveUp = (): void => void member.destroy()
    const timer = setTimeout(() => {
      member.destroy(connectTimeout(this.#bounds.connectMilliseconds))
    }, this.#bounds.connectMilliseconds)
    backend.cuts.add(giveUp)
    client.once('close', giveUp)
    member.on('error', (error) => {
      failure = error
    })
    member.once('connect', () => {
      connected = true
      clearTimeout(timer)
      client.off('close', giveUp)
      this.#splices.join(client, member)
    })
    member.once('close', () => {
      clearTimeout(timer)
      client.off('close', giveUp)
      backend.cuts.delete(giveUp)
      if (!connected && failure !== null) this.#pool.connectFailed(backend, failure)
      this.#pool.release(backend)
      if (connected || client.destroyed) return
      tried.add(backend)
      if (tried.size >= this.#bounds.connectAttemptsMax) client.destroy()
      else this.#next(client, source, tried)
    })
  }
}
