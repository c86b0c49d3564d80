import { createServer as createHttpServer, type RequestListener } from 'node:http'
import {
  type AddressInfo,
  connect,
  createServer as createTcpServer,
  type Server,
  type Socket,
} from 'node:net'
import { Balancer } from './balancer.ts'
import type { Bounds } from './bounds.ts'
import type { ListenerStatus } from './listener.ts'
import type { HealthChange, ListenerRow, MemberRow } from './listener-row.ts'

/** Things to undo after a test, latest first. */
export class Cleanup {
  readonly #steps: (() => unknown)[] = []

  add(step: () => unknown): void {
    this.#steps.push(step)
  }

  async run(): Promise<void> {
    for (let step = this.#steps.pop(); step !== undefined; step = this.#steps.pop()) await step()
  }
}

/** Waits until `condition` holds; fails after the deadline with what it last said. */
export async function until(what: string, condition: () => unknown, milliseconds = 10_000): Promise<void> {
  const deadline = performance.now() + milliseconds
  while (!(await condition())) {
    if (performance.now() > deadline) throw new Error(`not within ${milliseconds} ms: ${what}`)
    await new Promise((resolve) => setTimeout(resolve, 5))
  }
}

export interface Peer {
  readonly port: number
  readonly server: Server
  readonly sockets: ReadonlySet<Socket>
  /** Stops listening and cuts every connection. */
  readonly stop: () => Promise<void>
}

export function httpPeer(
  cleanup: Cleanup,
  handler: RequestListener,
  port = 0,
  address = '127.0.0.1',
): Promise<Peer> {
  return listen(cleanup, createHttpServer({ keepAliveTimeout: 5_000 }, handler), port, address)
}

export function tcpPeer(cleanup: Cleanup, handler: (socket: Socket) => void, port = 0): Promise<Peer> {
  return listen(cleanup, createTcpServer({ allowHalfOpen: true }, handler), port)
}

async function listen(cleanup: Cleanup, server: Server, port: number, address = '127.0.0.1'): Promise<Peer> {
  const sockets = new Set<Socket>()
  server.on('connection', (socket) => {
    sockets.add(socket)
    socket.on('error', () => undefined)
    socket.once('close', () => sockets.delete(socket))
  })
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject)
    server.listen(port, address, resolve)
  })
  const stop = async (): Promise<void> => {
    if (!server.listening) return
    const closed = new Promise((resolve) => server.close(resolve))
    for (const socket of sockets) socket.destroy()
    await closed
  }
  cleanup.add(stop)
  return { port: (server.address() as AddressInfo).port, server, sockets, stop }
}

/** A port on which nothing listens. */
export async function freePort(): Promise<number> {
  const cleanup = new Cleanup()
  const { port } = await tcpPeer(cleanup, () => undefined)
  await cleanup.run()
  return port
}

export function member(name: string, port: number, more: Partial<MemberRow> = {}): MemberRow {
  return { uid: `member-${name}`, name, address: '127.0.0.1', port, weight: 1, drain: false, ...more }
}

export function row(members: readonly MemberRow[], more: Partial<ListenerRow> = {}): ListenerRow {
  return {
    uid: 'listener-web',
    loadBalancer: 'front',
    project: 'demo',
    name: 'web',
    protocol: 'HTTP',
    address: '127.0.0.1',
    port: 0,
    algorithm: 'ROUND_ROBIN',
    connectionLimit: 0,
    monitor: null,
    members,
    ...more,
  }
}

export interface Running {
  readonly balancer: Balancer
  readonly port: number
  readonly health: HealthChange[]
  /** Applies another version of the row. */
  readonly apply: (row: ListenerRow) => Promise<void>
  readonly status: () => ListenerStatus
}

export async function run(
  cleanup: Cleanup,
  first: ListenerRow,
  bounds: Partial<Bounds> = {},
): Promise<Running> {
  const health: HealthChange[] = []
  const balancer = new Balancer({
    onHealth: (changes) => void health.push(...changes),
    bounds: { graceMilliseconds: 200, ...bounds },
  })
  cleanup.add(() => balancer.close())
  const apply = (row: ListenerRow): Promise<void> => balancer.apply([{ key: 'web', row }])
  await apply(first)
  const status = (): ListenerStatus => {
    const status = balancer.status().get('web')
    if (status === undefined) throw new Error('no such listener')
    return status
  }
  const { bound, conditions } = status()
  if (bound === null) throw new Error(`not bound: ${JSON.stringify(conditions)}`)
  return { balancer, port: bound.port, health, apply, status }
}

export async function open(cleanup: Cleanup, port: number, allowHalfOpen = false): Promise<Socket> {
  const socket = connect({ port, host: '127.0.0.1', allowHalfOpen })
  cleanup.add(() => socket.destroy())
  await new Promise<void>((resolve, reject) => {
    socket.once('connect', resolve)
    socket.once('error', reject)
  })
  socket.on('error', () => undefined)
  return socket
}

/** All that comes until the other side ends or breaks the connection. */
export function readAll(socket: Socket): Promise<string> {
  return new Promise((resolve) => {
    let text = ''
    socket.on('data', (chunk: Buffer) => {
      text += chunk.toString('latin1')
    })
    socket.once('close', () => resolve(text))
    socket.once('end', () => resolve(text))
  })
}
