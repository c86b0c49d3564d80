import { randomUUID } from 'node:crypto'
import { mkdir, open } from 'node:fs/promises'
import { join } from 'node:path'
import type { CertificateFiles } from './certificates/files.ts'
import { ConfigError, type NodeConfig, parseConfig, type Role, splitAddress } from './config.ts'
import { isLoopback } from './listening.ts'
import { newSecret } from './secrets.ts'

/** From the client port, as in the default numbers: 7420, 7422, 7453, 7423. */
const REST_OFFSET = 2
const DNS_OFFSET = 33
const ETCD_OFFSET = 3
const PORT_MAX = 65_535

/** Where a member of a new cluster listens; every address is host:port. */
export interface MemberAddresses {
  readonly name: string
  /** Where the other members reach it. */
  readonly peer: string
  /** Where clients reach it over gRPC. */
  readonly client: string
  /** Where clients reach it over REST. */
  readonly rest: string
}

export interface NewCluster {
  readonly directory: string
  readonly members: readonly MemberAddresses[]
  /** Of every node. */
  readonly roles: readonly Role[]
  /** Whether the cluster gets an authority of its own, and each member a certificate. */
  readonly tls?: boolean
  readonly electionTimeoutMilliseconds?: number
}

/** The files of a new cluster, by their paths. */
export interface ClusterFiles {
  /** Of each member, in order. */
  readonly configs: readonly string[]
  readonly secretFile: string
  readonly masterKeyFile: string
  /** What a cluster with TLS has besides. */
  readonly certificates: ClusterCertificates | undefined
}

interface ClusterCertificates {
  readonly caFile: string
  /** Signs certificates: no member needs it. */
  readonly caKeyFile: string
  /** Of each member, in order. */
  readonly members: readonly CertificateFiles[]
}

/** How long the certificates of members last unless told otherwise. */
export const CERTIFICATE_DAYS = 365

/** Reads `name=peer,client[,rest]`. Throws ConfigError. */
export function parseMember(text: string): MemberAddresses {
  const found = /^([^=,]+)=([^=,]+),([^=,]+)(?:,([^=,]+))?$/.exec(text)
  const [, name, peer, client, rest] = found ?? []
  if (name === undefined || peer === undefined || client === undefined)
    throw new ConfigError(`${text}: a member is given as name=peer,client[,rest], each address as host:port`)
  return { name, peer, client, rest: rest ?? beside(client, REST_OFFSET) }
}

function beside(address: string, offset: number): string {
  const { host, port } = splitAddress(address)
  if (!(port + offset <= PORT_MAX))
    throw new ConfigError(`${address}: there must be a port ${offset} above that of the client address`)
  return `${host}:${port + offset}`
}

/**
 * Writes a configuration file for each member (`<name>.json`), the members' secret and the master key into a directory: mode 0600, none
 * of which may be there (Error); with TLS, an authority and a certificate for each member, too. Throws ConfigError, before anything is
 * written, for what can be no cluster.
 */
export async function writeClusterFiles(cluster: NewCluster): Promise<ClusterFiles> {
  const { directory, members } = cluster
  requireDifferent(
    'names',
    members.map(({ name }) => name),
  )
  requireDifferent(
    'addresses',
    members.flatMap(({ peer, client, rest }) => [
      peer,
      client,
      rest,
      ...(servesEtcd(cluster) ? [beside(client, ETCD_OFFSET)] : []),
    ]),
  )
  const id = randomUUID()
  const configs = members.map((member, index) => ({
    path: join(directory, `${member.name}.json`),
    config: parseConfig(memberConfig(cluster, id, index), 'the cluster'),
  }))
  const secretFile = join(directory, 'cluster.secret')
  const masterKeyFile = join(directory, 'master.key')
  await mkdir(directory, { recursive: true, mode: 0o700 })
  await writeNew(masterKeyFile, newSecret())
  await writeNew(secretFile, newSecret())
  for (const { path, config } of configs) await writeNew(path, JSON.stringify(config, null, 2))
  const certificates = cluster.tls === true ? await issueAll(directory, id, configs) : undefined
  return { configs: configs.map(({ path }) => path), secretFile, masterKeyFile, certificates }
}

/** The library that makes certificates is loaded only where some are made. */
async function issueAll(
  directory: string,
  clusterId: string,
  configs: readonly { readonly config: NodeConfig }[],
): Promise<ClusterCertificates> {
  const { createAuthority, issueMember } = await import('./certificates/files.ts')
  const authority = await createAuthority(directory, clusterId)
  const members: CertificateFiles[] = []
  for (const { config } of configs)
    members.push(await issueMember(directory, config, CERTIFICATE_DAYS, [], authority))
  return { caFile: join(directory, 'ca.crt'), caKeyFile: join(directory, 'ca.key'), members }
}

function memberConfig(cluster: NewCluster, id: string, index: number): NodeConfig {
  const { members, roles, electionTimeoutMilliseconds } = cluster
  const { name, client, peer, rest } = members[index] as MemberAddresses
  const withEtcd = servesEtcd(cluster)
  const dns = roles.includes('dns') ? { dns: beside(client, DNS_OFFSET) } : {}
  return {
    name,
    roles: [...roles],
    cluster: {
      id,
      secretFile: 'cluster.secret',
      masterKeyFile: 'master.key',
      member: index + 1,
      members: members.map((each, at) => ({
        id: at + 1,
        name: each.name,
        peer: each.peer,
        client: each.client,
        ...(withEtcd ? { etcd: beside(each.client, ETCD_OFFSET) } : {}),
      })),
    },
    listen: {
      grpc: client,
      peer,
      rest,
      ...(withEtcd ? { etcd: beside(client, ETCD_OFFSET) } : {}),
      ...dns,
    },
    ...(cluster.tls === true ? { tls: tlsFiles(name) } : {}),
    ...(electionTimeoutMilliseconds === undefined ? {} : { electionTimeoutMilliseconds }),
  }
}

/** In plaintext the etcd API, which asks for no token, is for this machine alone. */
function servesEtcd({ tls, members }: NewCluster): boolean {
  return tls === true || members.every(({ client }) => isLoopback(client))
}

function tlsFiles(name: string) {
  return { caFile: 'ca.crt', certificateFile: `member-${name}.crt`, keyFile: `member-${name}.key` }
}

function requireDifferent(what: string, values: readonly string[]): void {
  const twice = values.find((value, index) => values.indexOf(value) !== index)
  if (twice !== undefined)
    throw new ConfigError(`the members must have different ${what}: ${twice} is given twice`)
}

async function writeNew(path: string, content: string): Promise<void> {
  const file = await open(path, 'wx', 0o600).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'EEXIST')
      throw new Error(`${path} is there already: give the directory of a cluster that is new`)
    throw error
  })
  try {
    await file.writeFile(`${content}\n`)
    await file.sync()
  } finally {
    await file.close()
  }
}
