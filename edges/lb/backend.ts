import { Agent } from 'node:http'
import type { Bounds } from './bounds.ts'
import type { HealthScore } from './health-score.ts'
import type { MemberHealth, MemberRow } from './listener-row.ts'
import { hashText } from './source-hash.ts'

/** A member as the data plane sees it: one endpoint with its counters. Another address or port is another backend. */
export class Backend {
  readonly uid: string
  readonly name: string
  readonly address: string
  readonly port: number
  readonly hash: number
  /** Keep-alive connections for HTTP. Never queues: the pool hands out fewer requests than it has sockets. */
  readonly agent: Agent
  weight: number
  drain: boolean
  /** Taken out of the row: finishes what it has within the grace time. */
  removed = false
  /** Null without a monitor: such a member is always tried. */
  score: HealthScore | null = null
  /** Why the latest check could not be made at all; null when it could. */
  checkError: string | null = null
  /** Last health reported, null before the first. */
  reported: MemberHealth | null = null
  reportedReason = ''
  /** What the latest check, or connect for a client, came to. */
  detail = ''
  /** Checks that have given a verdict. */
  checked = false
  /** Running sum of smooth weighted round robin. */
  currentWeight = 0
  /** TCP connections or HTTP requests under way. */
  connections = 0
  connectionsTotal = 0
  connectFailures = 0
  /** Ends what is under way, for when the grace time is over. */
  readonly cuts = new Set<() => void>()

  constructor(row: MemberRow, bounds: Bounds) {
    this.uid = row.uid
    this.name = row.name
    this.address = row.address
    this.port = row.port
    this.weight = row.weight
    this.drain = row.drain
    this.hash = hashText(row.uid)
    this.agent = new Agent({
      keepAlive: true,
      maxSockets: bounds.memberConnectionsMax,
      maxFreeSockets: bounds.memberIdleConnectionsMax,
      timeout: bounds.memberIdleMilliseconds,
    })
  }

  get endpoint(): string {
    return this.address.includes(':') ? `[${this.address}]:${this.port}` : `${this.address}:${this.port}`
  }

  get draining(): boolean {
    return this.drain || this.weight === 0
  }

  /** May be given new connections, room left aside. */
  get eligible(): boolean {
    return !this.removed && !this.draining && (this.score === null || this.score.up)
  }

  cutAll(): void {
    for (const cut of [...this.cuts]) cut()
    this.agent.destroy()
  }
}
