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
}

/** Where a node listens, with the defaults. */
export function listenOf({ listen = {} }: NodeConfig): Listen {
  const {
    grpc = '127.0.0.1:7420',
    peer = '127.0.0.1:7421',
    rest = '127.0.0.1:7422',
    dns = '127.0.0.1:7453',
  } = listen
  return { grpc, peer, rest, dns }
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
  const { cluster } = config
  if (cluster === undefined) return config
  const folder = dirname(path)
  const secretFile = resolve(folder, cluster.secretFile)
  return {
    ...config,
    cluster: { ...cluster, secretFile, masterKeyFile: resolve(folder, cluster.masterKeyFile) },
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
