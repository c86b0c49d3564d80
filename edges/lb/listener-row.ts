/** What the control plane says a listener is: one row of the `balancers` projection. */
export interface ListenerRow {
  readonly uid: string
  readonly loadBalancer: string
  readonly project: string
  readonly name: string
  readonly protocol: 'TCP' | 'HTTP'
  /** IPv4 or IPv6 address to listen on. */
  readonly address: string
  /** 0 lets the system choose; `status()` says which port it is. */
  readonly port: number
  readonly algorithm: Algorithm
  /** Client connections at once; 0 leaves it to the balancer's own bound. */
  readonly connectionLimit: number
  readonly monitor: MonitorRow | null
  readonly members: readonly MemberRow[]
}

export type Algorithm = 'ROUND_ROBIN' | 'LEAST_CONNECTIONS' | 'SOURCE_IP'

export interface MonitorRow {
  readonly type: 'TCP' | 'HTTP'
  readonly intervalMilliseconds: number
  /** From the start of the check to its verdict. */
  readonly timeoutMilliseconds: number
  /** Checks in a row that must pass before an offline member is online. */
  readonly rise: number
  /** Checks in a row that must fail before an online member is offline. */
  readonly fall: number
  /** Request target of an HTTP check. */
  readonly path: string
  /** `200`, `200,204` or `200-299`. */
  readonly expectedCodes: string
}

export interface MemberRow {
  readonly uid: string
  readonly name: string
  readonly address: string
  readonly port: number
  /** 0–256; 0 takes no new connections. */
  readonly weight: number
  /** True while the member is to finish what it has and to get nothing new. */
  readonly drain: boolean
}

/** Operating status of a member, in Octavia's words. */
export type MemberHealth = 'ONLINE' | 'OFFLINE' | 'DRAINING' | 'NO_MONITOR' | 'ERROR'

export interface HealthChange {
  /** uid of the listener. */
  readonly listener: string
  /** uid of the member. */
  readonly member: string
  readonly health: MemberHealth
  /** For a person: what was tried, what came back, and how often. */
  readonly reason: string
}
