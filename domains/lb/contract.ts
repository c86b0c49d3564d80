import { z } from 'zod'
import {
  command,
  contract,
  created,
  deleted,
  Labels,
  message,
  Name,
  owner,
  resource,
  Uid,
  updated,
  uses,
} from '../kernel/contract.ts'

/** Where the addresses of load balancers come from: loopback, so that a balancer on any machine can listen on them. */
export const addressPool = '127.77.0.0/16'

const Address = z.ipv4().max(15)
const PortNumber = z.int().min(1).max(65_535)
/** 0 takes no new connections. */
const Weight = z.int().min(0).max(256)
const ConnectionLimit = z.int().min(0).max(1_000_000)

const protocols = ['TCP', 'HTTP'] as const
const algorithms = ['ROUND_ROBIN', 'LEAST_CONNECTIONS', 'SOURCE_IP'] as const
/** Octavia’s operating status. UNKNOWN: no balancer has said anything yet. Append only. */
const memberHealths = ['UNKNOWN', 'ONLINE', 'OFFLINE', 'DRAINING', 'NO_MONITOR', 'ERROR'] as const

const monitor = message({
  type: [1, z.enum(['TCP', 'HTTP'])],
  intervalMilliseconds: [2, z.int().min(100).max(3_600_000).default(2000)],
  /** From the start of a check to its verdict. */
  timeoutMilliseconds: [3, z.int().min(10).max(600_000).default(1000)],
  /** Checks in a row that must pass before an offline member is online. */
  rise: [4, z.int().min(1).max(10).default(2)],
  /** Checks in a row that must fail before an online member is offline. */
  fall: [5, z.int().min(1).max(10).default(3)],
  /** Request target of an HTTP check. */
  path: [
    6,
    z
      .string()
      .max(2048)
      .regex(/^\/[\x21-\x7e]*$/, 'must begin with / and hold no blanks')
      .default('/'),
  ],
  /** `200`, `200,204` or `200-299`. */
  expectedCodes: [
    7,
    z
      .string()
      .max(64)
      .regex(/^[1-5]\d\d(-[1-5]\d\d)?(,[1-5]\d\d(-[1-5]\d\d)?)*$/, 'must be like 200, 200,204 or 200-299')
      .default('200'),
  ],
})

export const loadBalancer = resource({
  doc: 'An address on which listeners listen.',
  plural: 'load-balancers',
  scope: 'project',
  fields: {
    /** Unique in the cluster. */
    address: [10, Address],
  },
})

export const pool = resource({
  doc: 'Members among which connections or requests are spread.',
  plural: 'pools',
  scope: 'project',
  fields: { algorithm: [10, z.enum(algorithms)], monitor: [11, monitor.schema.nullable()] },
})

export const listener = resource({
  doc: 'A port of a load balancer, and the pool behind it.',
  plural: 'listeners',
  scope: 'project',
  fields: {
    loadBalancer: [10, owner('lb.load_balancer')],
    protocol: [11, z.enum(protocols)],
    /** Unique on its load balancer. */
    port: [12, PortNumber],
    pool: [13, uses('lb.pool')],
    /** Client connections at once; 0 leaves it to the balancer’s own bound. */
    connectionLimit: [14, ConnectionLimit],
  },
})

/** Either `instance` or `address` is set. A member of an instance goes with it, and so never blocks the instance’s deletion. */
const member = resource({
  doc: 'What takes connections of a pool: a port of an instance, or any address and port.',
  plural: 'members',
  scope: 'project',
  fields: {
    pool: [10, owner('lb.pool')],
    instance: [11, owner('vm.instance').nullable()],
    address: [12, Address.nullable()],
    port: [13, PortNumber],
    weight: [14, Weight],
    /** True while it is to finish what it has and to get nothing new. */
    drain: [15, z.boolean()],
    health: [16, z.enum(memberHealths)],
    /** What was tried, what came back, and how often. */
    healthReason: [17, z.string().max(1024)],
  },
})

const inProject = { project: [1, Name], name: [2, Name] } as const
const labels = [3, Labels.default({})] as const
const changedLabels = [3, Labels.optional()] as const
const identified = { uid: [1, Uid] } as const

export default contract({
  name: 'lb',
  doc: 'Load balancers: listeners, pools, members and their health.',
  resources: { load_balancer: loadBalancer, listener, pool, member },
  commands: {
    CreateLoadBalancer: command({
      doc: 'Creates a load balancer on the address given, or on the lowest that is free in the cluster’s pool.',
      permission: 'lb.load-balancers.create',
      scope: 'project',
      request: { ...inProject, labels, address: [10, Address.optional()] },
      result: { ...identified, address: [2, Address] },
    }),
    UpdateLoadBalancer: command({
      doc: 'Changes a load balancer’s labels.',
      permission: 'lb.load-balancers.update',
      scope: 'project',
      request: { ...inProject, labels: changedLabels },
      result: identified,
    }),
    DeleteLoadBalancer: command({
      doc: 'Deletes a load balancer with its listeners; their pools stay.',
      permission: 'lb.load-balancers.delete',
      scope: 'project',
      request: inProject,
      result: identified,
    }),
    CreatePool: command({
      doc: 'Creates a pool.',
      permission: 'lb.pools.create',
      scope: 'project',
      request: {
        ...inProject,
        labels,
        algorithm: [10, z.enum(algorithms).default('ROUND_ROBIN')],
        monitor: [11, monitor.schema.optional()],
      },
      result: identified,
    }),
    UpdatePool: command({
      doc: 'Changes a pool’s labels, algorithm or health monitor.',
      permission: 'lb.pools.update',
      scope: 'project',
      request: {
        ...inProject,
        labels: changedLabels,
        algorithm: [10, z.enum(algorithms).optional()],
        monitor: [11, monitor.schema.optional()],
        /** Takes the monitor away. */
        withoutMonitor: [12, z.boolean().default(false)],
      },
      result: identified,
    }),
    DeletePool: command({
      doc: 'Deletes a pool that no listener uses, with its members.',
      permission: 'lb.pools.delete',
      scope: 'project',
      request: inProject,
      result: identified,
    }),
    CreateListener: command({
      doc: 'Opens a port of a load balancer.',
      permission: 'lb.listeners.create',
      scope: 'project',
      request: {
        ...inProject,
        labels,
        loadBalancer: [10, Name],
        protocol: [11, z.enum(protocols)],
        port: [12, PortNumber],
        pool: [13, Name],
        connectionLimit: [14, ConnectionLimit.default(0)],
      },
      result: identified,
    }),
    UpdateListener: command({
      doc: 'Changes a listener’s labels, protocol, port, pool or limit.',
      permission: 'lb.listeners.update',
      scope: 'project',
      request: {
        ...inProject,
        labels: changedLabels,
        protocol: [11, z.enum(protocols).optional()],
        port: [12, PortNumber.optional()],
        pool: [13, Name.optional()],
        connectionLimit: [14, ConnectionLimit.optional()],
      },
      result: identified,
    }),
    DeleteListener: command({
      doc: 'Closes a port of a load balancer.',
      permission: 'lb.listeners.delete',
      scope: 'project',
      request: inProject,
      result: identified,
    }),
    CreateMember: command({
      doc: 'Adds a port of an instance, or of a public address, to a pool.',
      permission: 'lb.members.create',
      scope: 'project',
      request: {
        ...inProject,
        labels,
        pool: [10, Name],
        instance: [11, Name.optional()],
        address: [12, Address.optional()],
        port: [13, PortNumber],
        weight: [14, Weight.default(1)],
        drain: [15, z.boolean().default(false)],
      },
      result: identified,
    }),
    UpdateMember: command({
      doc: 'Changes a member’s labels, port, weight or draining.',
      permission: 'lb.members.update',
      scope: 'project',
      request: {
        ...inProject,
        labels: changedLabels,
        port: [13, PortNumber.optional()],
        weight: [14, Weight.optional()],
        drain: [15, z.boolean().optional()],
      },
      result: identified,
    }),
    DeleteMember: command({
      doc: 'Takes a member out of its pool.',
      permission: 'lb.members.delete',
      scope: 'project',
      request: inProject,
      result: identified,
    }),
    ReportHealth: command({
      doc: 'A balancer says how members are. What is no change is not recorded; members that are gone are passed over.',
      permission: 'lb.members.report',
      scope: 'system',
      request: {
        changes: [
          1,
          z
            .array(
              message({
                /** uid */
                member: [1, Uid],
                health: [2, z.enum(memberHealths)],
                reason: [3, z.string().max(1024).default('')],
              }).schema,
            )
            .min(1)
            .max(256),
        ],
      },
      result: { recorded: [1, z.int().min(0).max(256)] },
    }),
  },
  events: {
    LoadBalancerCreated: created(loadBalancer),
    LoadBalancerUpdated: updated(loadBalancer),
    LoadBalancerDeleted: deleted(loadBalancer),
    PoolCreated: created(pool),
    PoolUpdated: updated(pool),
    PoolDeleted: deleted(pool),
    ListenerCreated: created(listener),
    ListenerUpdated: updated(listener),
    ListenerDeleted: deleted(listener),
    MemberCreated: created(member),
    MemberUpdated: updated(member),
    MemberHealthChanged: updated(member),
    MemberDeleted: deleted(member),
  },
})
