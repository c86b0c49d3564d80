import { createPrivateKey, X509Certificate } from 'node:crypto'
import { open, readdir, readFile, rename, rm } from 'node:fs/promises'
import { isIP } from 'node:net'
import { join } from 'node:path'
import { etcdClientIdentity, memberIdentity } from '../../log/tls/identity.ts'
import { certificatesIn, leadsTo } from '../../log/tls/material.ts'
import { ConfigError, listenOf, type NodeConfig, readConfig, splitAddress } from '../config.ts'
import { Authority } from './authority.ts'

const CA_FILE = 'ca.crt'
const CA_KEY_FILE = 'ca.key'
const CROSS_FILE = 'ca.cross.crt'
/** Every member's own clients and daemons reach it there. */
const LOOPBACK = ['localhost', '127.0.0.1', '::1']
const WILDCARDS: ReadonlySet<string> = new Set(['0.0.0.0', '::', '[::]'])

/** Files that were written, by their paths. */
export interface CertificateFiles {
  readonly certificateFile: string
  readonly keyFile: string
}

/** A member, and where its files are. */
export interface MemberFiles extends CertificateFiles {
  readonly name: string
  readonly configFile: string
}

/** Makes the authority of a new cluster: `ca.crt` to trust it by, and `ca.key`, which signs. */
export async function createAuthority(directory: string, clusterId: string): Promise<Authority> {
  const authority = await Authority.create(clusterId)
  await replace(join(directory, CA_KEY_FILE), authority.key, 0o600)
  await replace(join(directory, CA_FILE), authority.certificate, 0o644)
  return authority
}

/** Issues `member-<name>.crt` and `.key` for the member of a configuration file, for every host that its addresses name, and more. */
export async function issueMember(
  directory: string,
  config: NodeConfig,
  days: number,
  moreHosts: readonly string[],
  authority: Authority,
): Promise<CertificateFiles> {
  const { cluster } = config
  const member = cluster?.members.find(({ id }) => id === cluster.member)
  if (cluster === undefined || member === undefined)
    throw new ConfigError('a certificate is issued to a member of a cluster')
  if (cluster.id !== authority.clusterId)
    throw new ConfigError(`the authority is that of cluster ${authority.clusterId}, not of ${cluster.id}`)
  const { grpc, rest, peer, etcd } = listenOf(config)
  const addresses = [member.peer, member.client, member.etcd ?? member.client, grpc, rest, peer, etcd]
  const hosts = [...addresses.map((address) => splitAddress(address).host), ...LOOPBACK, ...moreHosts]
  const issued = await authority.issue({
    commonName: `member ${member.name}`,
    names: [
      { type: 'url', value: memberIdentity(cluster.id, cluster.member) },
      ...[...new Set(hosts)].filter((host) => !WILDCARDS.has(host)).map(hostName),
    ],
    use: 'member',
    days,
  })
  return write(directory, `member-${member.name}`, issued)
}

/** Issues `client-<name>.crt` and `.key`; with `etcd`, it may use the etcd API. */
export async function issueClient(
  directory: string,
  name: string,
  days: number,
  { etcd }: { readonly etcd: boolean },
): Promise<CertificateFiles> {
  const authority = await loadAuthority(directory)
  const value = `ultracloud://${encodeURIComponent(authority.clusterId)}/client/${encodeURIComponent(name)}`
  const issued = await authority.issue({
    commonName: `client ${name}`,
    names: [
      { type: 'url', value },
      ...(etcd ? [{ type: 'url' as const, value: etcdClientIdentity(authority.clusterId, name) }] : []),
    ],
    use: 'client',
    days,
  })
  return write(directory, `client-${name}`, issued)
}

/** Issues the certificate of one of the directory's members anew. Throws ConfigError when there is no such member. */
export async function reissueMember(
  directory: string,
  name: string,
  days: number,
  moreHosts: readonly string[],
): Promise<MemberFiles> {
  const configFile = join(directory, `${name}.json`)
  const config = await readConfig(configFile)
  const files = await issueMember(directory, config, days, moreHosts, await loadAuthority(directory))
  return { name, configFile, ...files }
}

/**
 * Begins to replace the authority: `ca.crt` holds the new one and the old, and every member gets a certificate of the new one, which
 * who trusts only the old accepts as well. Throws ConfigError while another rotation is under way.
 */
export async function beginRotation(
  directory: string,
  days: number,
  moreHosts: readonly string[],
): Promise<readonly MemberFiles[]> {
  const caFile = join(directory, CA_FILE)
  const old = await loadAuthority(directory)
  if (certificatesIn(await readFile(caFile, 'utf8'), caFile).length > 1)
    throw new ConfigError(`${caFile} holds two authorities: a rotation is under way; end it with --finish`)
  const members = await membersOf(directory)
  const next = await old.successor()
  // In this order, what is left by a crash is a trusted authority that nobody has the key of: --finish takes it away.
  await replace(caFile, next.certificate + old.certificate, 0o644)
  await replace(join(directory, CROSS_FILE), next.cross ?? '', 0o644)
  await replace(join(directory, CA_KEY_FILE), next.key, 0o600)
  const issued: MemberFiles[] = []
  for (const name of members) issued.push(await reissueMember(directory, name, days, moreHosts))
  return issued
}

/** Ends a rotation: only the authority that signs stays in `ca.crt`. Throws ConfigError while a member has no certificate of it. */
export async function finishRotation(directory: string): Promise<readonly string[]> {
  const authority = await loadAuthority(directory)
  const members = await membersOf(directory)
  for (const name of members) {
    const file = join(directory, `member-${name}.crt`)
    const [leaf] = certificatesIn(await readFile(file, 'utf8'), file)
    if (leaf === undefined || !leadsTo([new X509Certificate(authority.certificate)], leaf, []))
      throw new ConfigError(
        `${file} is of the old authority: issue it anew first (cluster issue-certificate --member ${name})`,
      )
  }
  await replace(join(directory, CA_FILE), authority.certificate, 0o644)
  await rm(join(directory, CROSS_FILE), { force: true })
  return members
}

/** The authority whose key is in the directory. */
async function loadAuthority(directory: string): Promise<Authority> {
  const caFile = join(directory, CA_FILE)
  const keyFile = join(directory, CA_KEY_FILE)
  const key = await readFile(keyFile, 'utf8').catch((error: Error) => {
    throw new ConfigError(`the authority's key is needed to issue certificates: ${error.message}`)
  })
  const privateKey = createPrivateKey(key)
  const own = certificatesIn(await readFile(caFile, 'utf8'), caFile).find((each) =>
    each.checkPrivateKey(privateKey),
  )
  if (own === undefined) throw new ConfigError(`${keyFile} is the key of no certificate in ${caFile}`)
  const cross = await readFile(join(directory, CROSS_FILE), 'utf8').catch(() => undefined)
  const vouched =
    cross !== undefined && certificatesIn(cross, CROSS_FILE)[0]?.checkPrivateKey(privateKey) === true
  return Authority.load(own.toString(), key, vouched ? cross : undefined)
}

async function membersOf(directory: string): Promise<readonly string[]> {
  const names = await readdir(directory)
  const configs = names.filter((name) => name.endsWith('.json')).sort()
  if (configs.length === 0) throw new ConfigError(`${directory} holds no member's configuration (NAME.json)`)
  return configs.map((name) => name.slice(0, -'.json'.length))
}

function hostName(host: string) {
  return { type: isIP(host) === 0 ? ('dns' as const) : ('ip' as const), value: host }
}

async function write(
  directory: string,
  name: string,
  { certificate, key }: { readonly certificate: string; readonly key: string },
): Promise<CertificateFiles> {
  const certificateFile = join(directory, `${name}.crt`)
  const keyFile = join(directory, `${name}.key`)
  await replace(keyFile, key, 0o600)
  await replace(certificateFile, certificate, 0o644)
  return { certificateFile, keyFile }
}

/** Whole or not at all, and on disk. */
async function replace(path: string, content: string, mode: number): Promise<void> {
  const temporary = `${path}.${process.pid}.new`
  const file = await open(temporary, 'wx', mode)
  try {
    await file.writeFile(content)
    await file.sync()
  } finally {
    await file.close()
  }
  await rename(temporary, path)
}
