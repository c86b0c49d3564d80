import type { Socket } from 'node:net'
import type { Bounds } from './bounds.ts'
import { WaitQueue } from './wait-queue.ts'

/** Holds the client connections of a listener under its limit; some wait for their turn unread, the rest are refused. */
export class Admission {
  readonly #bounds: Bounds
  readonly #queue: WaitQueue
  readonly #sockets = new Set<Socket>()
  readonly #queued = new Set<Socket>()
  #limit: number
  #total = 0
  #refused = 0
  #bytesIn = 0
  #bytesOut = 0
  #onEmpty: () => void = () => undefined

  constructor(bounds: Bounds) {
    this.#bounds = bounds
    this.#limit = bounds.connectionsMax
    this.#queue = new WaitQueue(bounds.queueMax, bounds.queueMilliseconds)
  }

  get current(): number {
    return this.#sockets.size
  }

  get queued(): number {
    return this.#queue.length
  }

  get total(): number {
    return this.#total
  }

  get refused(): number {
    return this.#refused
  }

  /** Bytes from clients, `in`, and to clients, `out`, of ended and current connections. */
  get bytes(): { readonly in: number; readonly out: number } {
    let bytesIn = this.#bytesIn
    let bytesOut = this.#bytesOut
    for (const socket of this.#sockets) {
      bytesIn += socket.bytesRead
      bytesOut += socket.bytesWritten
    }
    return { in: bytesIn, out: bytesOut }
  }

  /** 0 leaves it to the balancer's own bound. Connections above a lowered limit go on. */
  setLimit(limit: number): void {
    this.#limit = limit === 0 ? this.#bounds.connectionsMax : Math.min(limit, this.#bounds.connectionsMax)
    this.#queue.wake()
  }

  /** Calls `serve` now or later; a connection for which there is no place in the queue either is closed. */
  admit(socket: Socket, serve: () => void): void {
    socket.on('error', ignore)
    const attempt = (): boolean => {
      if (socket.destroyed) return true
      if (this.#sockets.size >= this.#limit) return false
      this.#enter(socket)
      serve()
      return true
    }
    if (attempt()) return
    const refuse = (): void => {
      this.#refused += 1
      socket.destroy()
    }
    const leave = this.#queue.join(attempt, refuse)
    if (leave === null) {
      refuse()
      return
    }
    this.#queued.add(socket)
    socket.once('close', () => {
      this.#queued.delete(socket)
      leave()
    })
  }

  /** True once no connection is left, false when that has not come within the time. */
  emptied(milliseconds: number): Promise<boolean> {
    if (this.#sockets.size === 0) return Promise.resolve(true)
    return new Promise((resolve) => {
      const timer = setTimeout(() => resolve(false), milliseconds)
      this.#onEmpty = () => {
        clearTimeout(timer)
        resolve(true)
      }
    })
  }

  /** Refuses those that wait. */
  refuseQueued(): void {
    for (const socket of [...this.#queued]) {
      this.#refused += 1
      socket.destroy()
    }
  }

  /** Ends all connections. */
  cutAll(): void {
    this.refuseQueued()
    for (const socket of [...this.#sockets]) socket.destroy()
  }

  #enter(socket: Socket): void {
    this.#total += 1
    this.#queued.delete(socket)
    this.#sockets.add(socket)
    socket.once('close', () => {
      this.#sockets.delete(socket)
      this.#bytesIn += socket.bytesRead
      this.#bytesOut += socket.bytesWritten
      this.#queue.wake()
      if (this.#sockets.size === 0) this.#onEmpty()
    })
  }
}

/** Whoever serves the socket sees its 'close'; an error must not end the process. */
function ignore(): void {}
