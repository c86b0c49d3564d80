import type { Socket } from 'node:net'
import { Acceptor, type Condition } from './acceptor.ts'
import { Admission } from './admission.ts'
import type { Bounds } from './bounds.ts'
import { HttpProxy } from './http-proxy.ts'
import type { HealthChange, ListenerRow, MemberHealth } from './listener-row.ts'
import type { ProbeSlots } from './monitor.ts'
import { Pool } from './pool.ts'
import { rowProblem } from './row-problem.ts'
import { TcpProxy } from './tcp-proxy.ts'

export interface ListenerStatus {
  readonly uid: string
  readonly name: string
  readonly protocol: ListenerRow['protocol']
  /** Where it really listens; null while it does not. */
  readonly bound: { readonly address: string; readonly port: number } | null
  readonly conditions: readonly Condition[]
  readonly connections: {
    readonly current: number
    readonly total: number
    readonly queued: number
    readonly refused: number
  }
  /** Between clients and the balancer, `in` from the clients. */
  readonly bytes: { readonly in: number; readonly out: number }
  /** HTTP requests, 0 for TCP. */
  readonly requests: number
  /** Answers the balancer gave by itself, by code. */
  readonly problems: Readonly<Record<string, number>>
  readonly members: readonly MemberStatus[]
}

export interface MemberStatus {
  readonly uid: string
  readonly name: string
  readonly endpoint: string
  /** Null before the first check. */
  readonly health: MemberHealth | null
  readonly reason: string
  readonly connections: number
  readonly connectionsTotal: number
  readonly connectFailures: number
}

/** One row made real. */
export class Listener {
  readonly #bounds: Bounds
  readonly #pool: Pool
  readonly #admission: Admission
  #row: ListenerRow
  #acceptor: Acceptor | null = null
  #proxy: TcpProxy | HttpProxy | null = null
  #proxyProtocol: ListenerRow['protocol'] | null = null
  #problem: Condition | null = null

  constructor(row: ListenerRow, bounds: Bounds, slots: ProbeSlots, report: (change: HealthChange) => void) {
    this.#row = row
    this.#bounds = bounds
    this.#pool = new Pool(row.uid, bounds, slots, report)
    this.#admission = new Admission(bounds)
  }

  /** Reconciles all but the address; call `bind` afterwards. A row that cannot be served changes nothing but the conditions. */
  apply(row: ListenerRow): void {
    const problem = rowProblem(row, this.#bounds)
    this.#problem = problem === null ? null : { code: 'INVALID_ROW', reason: problem }
    if (problem !== null) return
    this.#row = row
    this.#pool.apply(row)
    this.#admission.setLimit(row.connectionLimit)
    if (row.protocol !== this.#proxyProtocol) {
      this.#proxy?.drain()
      this.#proxyProtocol = row.protocol
      this.#proxy =
        row.protocol === 'TCP'
          ? new TcpProxy(this.#pool, this.#bounds)
          : new HttpProxy(this.#pool, this.#bounds)
    }
    const acceptor = this.#acceptor
    if (acceptor !== null && (acceptor.address !== row.address || acceptor.port !== row.port)) {
      acceptor.close()
      this.#acceptor = null
    }
  }

  /** Listens at the row's address, unless it does or cannot; established connections are not touched. */
  async bind(): Promise<void> {
    if (this.#acceptor !== null || this.#proxy === null) return
    this.#acceptor = new Acceptor(this.#row.address, this.#row.port, this.#bounds, (socket) =>
      this.#accept(socket),
    )
    await this.#acceptor.bind()
  }

  /** Gives the address back and lets connections end within the grace time; then cuts them. */
  async close(): Promise<void> {
    this.#acceptor?.close()
    this.#acceptor = null
    this.#proxy?.drain()
    this.#admission.refuseQueued()
    this.#pool.stopChecks()
    if (!(await this.#admission.emptied(this.#bounds.graceMilliseconds))) this.#admission.cutAll()
    this.#pool.close()
    this.#pool.cut()
    if (this.#proxy instanceof HttpProxy) this.#proxy.stop()
  }

  status(): ListenerStatus {
    const { current, total, queued, refused, bytes } = this.#admission
    const http = this.#proxy instanceof HttpProxy ? this.#proxy : null
    return {
      uid: this.#row.uid,
      name: this.#row.name,
      protocol: this.#row.protocol,
      bound: this.#acceptor?.bound ?? null,
      conditions: this.#conditions(),
      connections: { current, total, queued: queued + this.#pool.waiting, refused },
      bytes,
      requests: http?.requests ?? 0,
      problems: Object.fromEntries(http?.problems ?? []),
      members: this.#pool.backends.map((backend) => ({
        uid: backend.uid,
        name: backend.name,
        endpoint: backend.endpoint,
        health: backend.reported,
        reason: backend.reportedReason,
        connections: backend.connections,
        connectionsTotal: backend.connectionsTotal,
        connectFailures: backend.connectFailures,
      })),
    }
  }

  #accept(socket: Socket): void {
    this.#admission.admit(socket, () => {
      this.#proxy?.serve(socket)
      if (this.#admission.queued === 0) this.#proxy?.relieve(false)
    })
    if (this.#admission.queued > 0) this.#proxy?.relieve(true)
  }

  #conditions(): readonly Condition[] {
    const conditions: Condition[] = []
    if (this.#problem !== null) conditions.push(this.#problem)
    if (this.#acceptor !== null && this.#acceptor.condition !== null)
      conditions.push(this.#acceptor.condition)
    const { backends } = this.#pool
    if (backends.length === 0) conditions.push({ code: 'NO_MEMBERS', reason: 'the pool has no members' })
    else if (!backends.some((backend) => backend.eligible)) {
      conditions.push({ code: 'NO_MEMBER_AVAILABLE', reason: 'every member is offline or draining' })
    }
    return conditions
  }
}
