import type { Socket } from 'node:net'

interface Pair {
  readonly client: Socket
  readonly member: Socket
  progress: number
  progressAt: number
}

/**
 * Joins connections byte for byte, both ways: an end of stream is passed on alone (half-close), a slow side stops the
 * other from being read (`pipe` pauses at the high-water mark), an abort is passed on as an abort so that a cut stream
 * never looks complete, and a pair on which nothing moves is ended.
 */
export class Splices {
  readonly #idleMilliseconds: number
  readonly #pairs = new Set<Pair>()
  #sweep: NodeJS.Timeout | null = null

  constructor(idleMilliseconds: number) {
    this.#idleMilliseconds = idleMilliseconds
  }

  /** Both sockets are connected, with `allowHalfOpen`. */
  join(client: Socket, member: Socket): void {
    const pair: Pair = { client, member, progress: -1, progressAt: performance.now() }
    this.#pairs.add(pair)
    this.#sweep ??= setInterval(() => this.#endIdle(), Math.max(10, this.#idleMilliseconds / 4))
    follow(client, member)
    follow(member, client)
    const closed = (): void => {
      if (client.closed && member.closed) this.#remove(pair)
    }
    client.once('close', closed)
    member.once('close', closed)
    client.pipe(member)
    member.pipe(client)
  }

  #remove(pair: Pair): void {
    this.#pairs.delete(pair)
    if (this.#pairs.size > 0 || this.#sweep === null) return
    clearInterval(this.#sweep)
    this.#sweep = null
  }

  #endIdle(): void {
    const now = performance.now()
    for (const pair of this.#pairs) {
      const progress = delivered(pair.client, pair.member) + delivered(pair.member, pair.client)
      if (progress !== pair.progress) {
        pair.progress = progress
        pair.progressAt = now
      } else if (now - pair.progressAt >= this.#idleMilliseconds) {
        abort(pair.client)
        abort(pair.member)
      }
    }
  }
}

/** Bytes read from one side and handed to the system for the other. */
function delivered(from: Socket, to: Socket): number {
  return from.bytesRead - to.writableLength
}

function follow(socket: Socket, other: Socket): void {
  socket.on('error', () => abort(other))
  socket.once('close', () => {
    const clean = socket.readableEnded && socket.writableFinished
    if (!clean) abort(other)
  })
}

function abort(socket: Socket): void {
  if (!socket.destroyed) socket.resetAndDestroy()
}
