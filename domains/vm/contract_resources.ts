import { z } from 'zod'
import { message, owner, resource, Uid, uses } from '../kernel/contract.ts'

export const imageKinds = ['built-in', 'direct-kernel'] as const
export const accelerations = ['kvm', 'tcg'] as const
export const hostPolicies = ['in-service', 'no-provision', 'evacuating', 'expunged'] as const
const hostHealths = ['up', 'suspected', 'fenced'] as const
const instanceIntents = ['running', 'stopped', 'deleted'] as const
const incarnationIntents = ['running', 'stopped', 'destroyed'] as const

/**
 * What is known of an incarnation. It may be running in `creating`, `starting`, `running`, `stopping`, `quarantined` and `unknown`; it
 * has ended in `stopped`, `failed` and `destroyed` (nothing of it is left); `fenced`: its host was declared dead. Append only.
 */
export const incarnationLifecycles = [
  'creating',
  'starting',
  'running',
  'stopping',
  'stopped',
  'failed',
  'destroyed',
  'quarantined',
  'fenced',
  'unknown',
] as const
export type IncarnationLifecycle = (typeof incarnationLifecycles)[number]

/** `pending`: it is to run, and has no incarnation. The others as its incarnation’s. Append only. */
export const instanceLifecycles = [
  'pending',
  'creating',
  'starting',
  'running',
  'stopping',
  'stopped',
  'failed',
  'quarantined',
  'unknown',
] as const
export type InstanceLifecycle = (typeof instanceLifecycles)[number]

/** True for an incarnation that may be running: what it holds must not be given to another. */
export function mayRun(lifecycle: IncarnationLifecycle): boolean {
  return (
    lifecycle !== 'stopped' && lifecycle !== 'failed' && lifecycle !== 'destroyed' && lifecycle !== 'fenced'
  )
}

export const Vcpus = z.int().min(1).max(1024)
export const MemoryMebibytes = z.int().min(1).max(16_777_216)
export const Reason = z.string().max(1024)
const GuestPort = z.int().min(1).max(65_535)
export const GuestPorts = z.array(GuestPort).max(16)
export const UserData = z.string().max(16_384)
/** A path, a URL, or the name of what is built in. */
export const Location = z.string().max(1024)
export const Digest = z
  .string()
  .max(71)
  .regex(/^(sha256:[0-9a-f]{64})?$/, 'must be sha256: and 64 hexadecimal digits, or empty')
/** Milliseconds since 1970. */
const Time = z.int().min(0)

/** A statement about a thing, in the manner of Kubernetes: what, whether, why. */
const condition = message({
  type: [1, z.string().min(1).max(64)],
  status: [2, z.boolean()],
  /** A CamelCase word. */
  reason: [3, z.string().max(64)],
  message: [4, z.string().max(2048)],
})
export const Conditions = z.array(condition.schema).max(16)

/** Where a guest’s TCP port can be reached. */
const forward = message({
  /** uid of the port of the VPC. */
  port: [1, Uid],
  guestPort: [2, GuestPort],
  address: [3, z.ipv4().max(15)],
  hostPort: [4, z.int().min(1).max(65_535)],
})
export const Forwards = z.array(forward.schema).max(16)

/** Why a host was chosen, or why not. */
const placement = message({
  host: [1, z.string().max(255)],
  chosen: [2, z.boolean()],
  reason: [3, z.string().max(512)],
})
/** Of the first hosts by name; the chosen one is always among them. */
const Placements = z.array(placement.schema).max(64)

/** An incarnation that a host runs and the log does not know. */
const quarantined = message({
  incarnation: [1, Uid],
  reason: [2, z.string().max(255)],
})
export const Quarantined = z.array(quarantined.schema).max(256)

export const image = resource({
  doc: 'What an instance boots.',
  plural: 'images',
  scope: 'system',
  fields: {
    kind: [10, z.enum(imageKinds)],
    kernel: [11, Location],
    initrd: [12, Location],
    commandLine: [13, z.string().max(2048)],
    /** Of the initrd; empty where it is not checked. */
    digest: [14, Digest],
    minimumMemoryMebibytes: [15, MemoryMebibytes],
  },
})

export const host = resource({
  doc: 'A machine that runs incarnations.',
  plural: 'hosts',
  scope: 'system',
  fields: {
    /** Whose word counts for this host; null: processes and administrators alone. */
    serviceAccount: [10, uses('iam.service_account').nullable()],
    vcpus: [11, Vcpus],
    memoryMebibytes: [12, MemoryMebibytes],
    acceleration: [13, z.enum(accelerations)],
    policy: [14, z.enum(hostPolicies)],
    health: [15, z.enum(hostHealths)],
    healthReason: [16, Reason],
    conditions: [17, Conditions],
    quarantined: [18, Quarantined],
    /** Where it can be reached, for a person. */
    address: [19, z.string().max(255)],
  },
})

export const instance = resource({
  doc: 'A virtual machine. What it should be is `intent`; what it is, as its host reports it, `lifecycle`.',
  plural: 'instances',
  scope: 'project',
  fields: {
    intent: [10, z.enum(instanceIntents)],
    image: [11, uses('vm.image')],
    vcpus: [12, Vcpus],
    memoryMebibytes: [13, MemoryMebibytes],
    subnet: [14, uses('vpc.subnet')],
    /** uid of its port, which goes with it; null only within the entry that creates it. */
    port: [15, Uid.nullable()],
    address: [16, z.string().max(15)],
    /** The name under which it is published; '' when its VPC has no zone. */
    dnsName: [17, z.string().max(253)],
    /** uid of the record set, which goes with it. */
    dnsRecord: [18, Uid.nullable()],
    /** uid of the host of its incarnation. */
    host: [19, Uid.nullable()],
    /** uid of the last incarnation; null while it has none. */
    incarnation: [20, Uid.nullable()],
    /** Of the last incarnation; one higher with each. */
    generation: [21, z.int().min(0)],
    lifecycle: [22, z.enum(instanceLifecycles)],
    reason: [23, Reason],
    /** Its guest has said that it serves. */
    guestReady: [24, z.boolean()],
    conditions: [25, Conditions],
    userData: [26, UserData],
    /** Guest TCP ports that its host makes reachable. */
    guestPorts: [27, GuestPorts],
    /** Where they can be reached, as reported. */
    forwards: [28, Forwards],
    /** Incarnations in a row that ended without having been asked to. */
    failures: [29, z.int().min(0)],
    /** Not before this time a new incarnation is tried. */
    retryAt: [30, Time],
    securityGroups: [31, z.array(uses('vpc.security_group')).max(16)],
  },
})

/**
 * One run of an instance on one host. Its name is the instance’s, a dot, and the generation. A row that has ended goes when the
 * next incarnation is placed or the instance is deleted: a host removes what has ended and is not in its feed, and quarantines
 * only what runs.
 */
export const incarnation = resource({
  doc: 'One run of an instance on one host. It never runs again once it has ended.',
  plural: 'incarnations',
  scope: 'project',
  fields: {
    instance: [10, owner('vm.instance')],
    host: [11, uses('vm.host')],
    generation: [12, z.int().min(1)],
    intent: [13, z.enum(incarnationIntents)],
    lifecycle: [14, z.enum(incarnationLifecycles)],
    reason: [15, Reason],
    vcpus: [16, Vcpus],
    memoryMebibytes: [17, MemoryMebibytes],
    forwards: [18, Forwards],
    /** As reported; null until it runs. */
    acceleration: [19, z.enum(accelerations).nullable()],
    guestReady: [20, z.boolean()],
    /** The last change of `lifecycle`. */
    since: [21, Time],
    placement: [22, Placements],
  },
})
