import { readFile } from 'node:fs/promises'
import { hostname } from 'node:os'
import { dirname, resolve } from 'node:path'
import { z } from 'zod'
import { CliError } from '../edges/cli/exit_codes.ts'

/** What a node can be: sets of it are run by one process tree. */
export const roles = ['member', 'dns', 'balancer', 'host'] as const
export type Role = (typeof roles)[number]

const PORT_MAX = 65_535
const Address = z
  .string()
  .regex(/^[^\s:]+:\d{1,5}$/, 'must be host:port')
  .refine((address) => splitAddress(address).port <= PORT_MAX, `must have a port of at most ${PORT_MAX}`)
const Name = z.string().regex(/^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/, 'must be 1 to 63 of a-z, 0-9 and -')

const Member = z.strictObject({
  id: z.int().min(1).max(5),
  name: Name,
  /** Where the other members reach it. */
  peer: Address,
  /** Where clients and members that pass commands on reach it. */
  client: Address,
  /** Where its etcd API is reached; by default on port 7423 of the client address. */
  etcd: Address.optional(),
})

const Config = z.strictObject({
  /** This node's name. */
  name: Name.optional(),
  roles: z.array(z.enum(roles)).min(1).optional(),
  /** What all members share. Without it the node is a cluster of its own. */
  cluster: z
    .strictObject({
      id: z.string().min(1).max(64),
      /** A file with a secret that only the members have. */
      secretFile: z.string(),
      /** A file with the 32 bytes, in hexadecimal, that sign tokens. Kept apart from backups. */
      masterKeyFile: z.string(),
      /** Which of the members this node is. */
      member: z.int().min(1).max(5),
      members: z
        .array(Member)
        .refine((members) => [1, 3, 5].includes(members.length), 'must be 1, 3 or 5 members')
        .refine(
          (members) => new Set(members.map(({ id }) => id)).size === members.length,
          'must have different ids',
        ),
    })
    .optional(),
  listen: z
    .strictObject({
      grpc: Address.optional(),
      rest: Address.optional(),
      peer: Address.optional(),
      dns: Address.optional(),
      etcd: Address.optional(),
    })
    .optional(),
  /** Everything that listens is served over TLS, and members show each other their certificates. All files are PEM. */
  tls: z
    .strictObject({
      /** The authorities that are trusted. */
      caFile: z.string(),
      certificateFile: z.string(),
      keyFile: z.string(),
    })
    .optional(),
  electionTimeoutMilliseconds: z.int().min(200).max(60_000).optional(),
})

export type NodeConfig = z.output<typeof Config>

/** Addresses a node listens on: host:port, where port 0 takes a free one. */
export interface Listen {
  readonly grpc: string
  readonly peer: string
  readonly rest: string
  readonly dns: string
  readonly etcd: string
}

/** Where a member's etcd API is reached that names no other address. */
export const ETCD_PORT = 7423

/** Where a node listens, with the defaults. */
export function listenOf({ listen = {} }: NodeConfig): Listen {
  const {
    grpc = '127.0.0.1:7420',
    peer = '127.0.0.1:7421',
    rest = '127.0.0.1:7422',
    dns = '127.0.0.1:7453',
    etcd = `127.0.0.1:${ETCD_PORT}`,
  } = listen
  return { grpc, peer, rest, dns, etcd }
}

/** A configuration that is not one, with what would be right: wrong use, for the command line. */
export class ConfigError extends CliError {
  constructor(message: string) {
    super('usage', message)
    this.name = 'ConfigError'
  }
}

/** Reads a configuration file (JSON); paths in it are relative to its folder. Throws ConfigError, naming what does not fit. */
export async function readConfig(path: string): Promise<NodeConfig> {
  let data: unknown
  try {
    data = JSON.parse(await readFile(path, 'utf8'))
  } catch (error) {
    throw new ConfigError(`${path}: ${error instanceof Error ? error.message : String(error)}`)
  }
  const config = parseConfig(data, path)
  const folder = dirname(path)
  return { ...config, ...clusterIn(folder, config), ...tlsIn(folder, config) }
}

function clusterIn(folder: string, { cluster }: NodeConfig): Pick<NodeConfig, 'cluster'> {
  if (cluster === undefined) return {}
  const { secretFile, masterKeyFile } = cluster
  return {
    cluster: {
      ...cluster,
      secretFile: resolve(folder, secretFile),
      masterKeyFile: resolve(folder, masterKeyFile),
    },
  }
}

function tlsIn(folder: string, { tls }: NodeConfig): Pick<NodeConfig, 'tls'> {
  if (tls === undefined) return {}
  return {
    tls: {
      caFile: resolve(folder, tls.caFile),
      certificateFile: resolve(folder, tls.certificateFile),
      keyFile: resolve(folder, tls.keyFile),
    },
  }
}

/** A configuration from what a file holds. Throws ConfigError, naming what does not fit. */
export function parseConfig(data: unknown, source: string): NodeConfig {
  const parsed = Config.safeParse(data)
  if (parsed.success) return parsed.data
  const problems = parsed.error.issues.map(
    ({ path: at, message }) => `${at.join('.') || 'the file'}: ${message}`,
  )
  throw new ConfigError(`${source}: ${problems.join('; ')}`)
}

/** Reads roles, separated by commas. Throws ConfigError. */
export function parseRoles(text: string): readonly Role[] {
  const wanted = text.split(',').filter((role) => role !== '')
  const unknown = wanted.find((role) => !roles.includes(role as Role))
  if (unknown !== undefined || wanted.length === 0)
    throw new ConfigError(`${unknown ?? text} is no role: give some of ${roles.join(', ')}`)
  return wanted as Role[]
}

/** This machine's name as a resource's name. */
export function machineName(): string {
  const name = hostname()
    .toLowerCase()
    .replaceAll(/[^a-z0-9-]+/g, '-')
    .replaceAll(/^-+|-+$/g, '')
    .slice(0, 48)
  return name === '' ? 'node' : name
}

/** The host and port of `host:port`. */
export function splitAddress(address: string): { readonly host: string; readonly port: number } {
  const colon = address.lastIndexOf(':')
  return { host: address.slice(0, colon), port: Number(address.slice(colon + 1)) }
}
