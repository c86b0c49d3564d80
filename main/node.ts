import { randomUUID } from 'node:crypto'
import { join } from 'node:path'
import { Platform } from '../domains/kernel/platform.ts'
import type { Registry } from '../domains/kernel/registry.ts'
import type { BackupChunk } from '../edges/control_plane.ts'
import { type EtcdServer, startEtcd } from '../edges/etcd/etcd.ts'
import type { EtcdMember } from '../edges/etcd/member.ts'
import type { Log, MemberStatus } from '../log/log.ts'
import { openLog } from '../log/node.ts'
import { checkAnyMember, checkHost, TlsChannelCredentials } from '../log/tls/channel_credentials.ts'
import type { ClientCertificates } from '../log/tls/guard.ts'
import { WatchedTls } from '../log/tls/watched.ts'
import { readsOf } from '../projections/kernel/opening_runner.ts'
import { Runner } from '../projections/kernel/runner.ts'
import { createBackup } from './backup/create.ts'
import { closeAll } from './close_all.ts'
import { ETCD_PORT, listenOf, type NodeConfig, splitAddress } from './config.ts'
import { LocalControlPlane } from './control_plane.ts'
import { listening } from './listen_error.ts'
import { requireSafeListening } from './listening.ts'
import { logDirectory, refuseLostLog } from './member_files.ts'
import { pause } from './pause.ts'
import { newSecret, readMasterKey, readOrCreate, readShared } from './secrets.ts'

const STOP_GRACE_MS = 2000
/** What the log takes when the configuration says nothing. */
const ELECTION_TIMEOUT_MS = 500

export interface MemberOptions {
  readonly directory: string
  readonly config: NodeConfig
  /** Whether plaintext may be served to other machines. */
  readonly insecure?: boolean
  readonly registry: Registry
  /** The member cannot go on: the process should say so and exit. */
  readonly onFatal: (error: Error) => void
  readonly warn: (message: string) => void
}

/** A member of the control plane: the log, the platform, the projections and the edges in one process. */
export interface MemberNode {
  readonly log: Log
  readonly platform: Platform
  readonly runner: Runner
  readonly masterKey: Uint8Array
  /** What this node's own clients need; undefined where plaintext is served. */
  readonly credentials: TlsChannelCredentials | undefined
  /** host:port. */
  readonly grpcAddress: string
  readonly restAddress: string
  readonly etcdAddress: string
  /** What was found damaged at the start and made anew from the log. */
  readonly repairs: readonly string[]
  close(): Promise<void>
}

/** Starts a member. Throws when its directory is damaged, another process has it, or an address is taken. */
export async function startMember(options: MemberOptions): Promise<MemberNode> {
  const { directory, config, registry, onFatal, warn } = options
  const warning = requireSafeListening(config, options.insecure === true)
  if (warning !== undefined) warn(warning)
  const listen = listenOf(config)
  if (config.cluster === undefined) await refuseLostLog(directory)
  const masterKey = await readMasterKey(
    config.cluster?.masterKeyFile ?? join(directory, 'master.key'),
    config.cluster === undefined,
  )
  const membership = await membershipOf(directory, config, listen)
  const tls = await openTls(config, warn)
  const closing: (() => Promise<void>)[] = [async () => tls?.close()]
  const close = async (): Promise<void> => {
    await closeAll(closing.splice(0).reverse())
  }
  const logOptions = {
    ...membership,
    tls,
    directory: logDirectory(directory),
    ...(config.electionTimeoutMilliseconds === undefined
      ? {}
      : { electionTimeoutMilliseconds: config.electionTimeoutMilliseconds }),
    failed: onFatal,
    warn,
  }
  const log = await listening('peers', listen.peer, () => openLog(logOptions)).catch(
    async (error: unknown) => {
      await close()
      throw error
    },
  )
  closing.push(() => log.close())
  // Reads of what is true now need no projections: they are answered while those are opened.
  const opening = Promise.withResolvers<Runner>()
  opening.promise.catch(() => undefined)
  try {
    const platform = await Platform.open({ log, registry, directory: join(directory, 'rows'), onFatal })
    closing.push(() => platform.close())
    closing.push(async () => (await opening.promise.catch(() => undefined))?.close())
    const projected = readsOf(opening.promise)
    const onFault = (error: unknown, where: string): void =>
      warn(`${where}: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}`)
    const clients: ClientCertificates = 'optional'
    const secureFor = (what: string) =>
      tls === undefined ? undefined : { tls, clients, warn: (text: string) => warn(`${what}: ${text}`) }
    const etcd: EtcdServer = await listening('the etcd API', listen.etcd, () =>
      startEtcd({
        log,
        platform,
        runner: projected,
        members: etcdMembers(log, config, listen.etcd),
        ...splitAddress(listen.etcd),
        electionTimeoutMilliseconds: config.electionTimeoutMilliseconds ?? ELECTION_TIMEOUT_MS,
        backup: (signal) =>
          backupBytes(createBackup({ log, platform, runner: projected }, signal, 'applied')),
        secure: secureFor('etcd'),
        onFault,
      }),
    )
    closing.push(() => etcd.close(STOP_GRACE_MS))
    // What follows takes long to load: the keys are served meanwhile.
    await pause()
    opening.resolve(openProjections(options, log))
    const { loadEdges, startEdges } = await import('./edges.ts')
    await loadEdges()
    const runner = await opening.promise
    const { grpc, rest } = await startEdges({
      control: new LocalControlPlane(log, platform, runner, masterKey),
      listen,
      toLeader:
        tls === undefined ? undefined : new TlsChannelCredentials(tls, checkAnyMember(membership.clusterId)),
      secureFor,
      onFault,
      closing,
    })
    return {
      log,
      platform,
      runner,
      masterKey,
      credentials: tls === undefined ? undefined : new TlsChannelCredentials(tls, checkHost),
      grpcAddress: `${splitAddress(listen.grpc).host}:${grpc.port}`,
      restAddress: `${splitAddress(listen.rest).host}:${rest.port}`,
      etcdAddress: `${splitAddress(listen.etcd).host}:${etcd.port}`,
      repairs: [platform.repaired, runner.repaired].filter((repair) => repair !== undefined),
      close: async () => {
        await log.resign()
        await close()
      },
    }
  } catch (error) {
    opening.reject(error)
    await close()
    throw error
  }
}

function openProjections({ directory, warn, onFatal }: MemberOptions, log: Log): Promise<Runner> {
  return Runner.open({
    log,
    directory: join(directory, 'projections'),
    worker: new URL('./projection_worker.ts', import.meta.url),
    warn,
    onFatal,
  })
}

async function openTls(
  { tls }: NodeConfig,
  warn: (message: string) => void,
): Promise<WatchedTls | undefined> {
  if (tls === undefined) return undefined
  const { caFile, certificateFile, keyFile } = tls
  return WatchedTls.open({ caFile, own: { certificateFile, keyFile } }, warn)
}

/** The members with the addresses of their etcd API. */
function etcdMembers(log: Log, { cluster }: NodeConfig, own: string): readonly EtcdMember[] {
  const { members, memberId } = log.status()
  return members.map(({ id, name, peerAddress, clientAddress }) => {
    const configured = cluster?.members.find((member) => member.id === id)?.etcd
    const beside = `${splitAddress(clientAddress).host}:${ETCD_PORT}`
    return { id, name, peerAddress, etcdAddress: configured ?? (id === memberId ? own : beside) }
  })
}

async function* backupBytes(chunks: AsyncIterable<BackupChunk>): AsyncGenerator<Uint8Array> {
  for await (const { data } of chunks) yield data
}

async function membershipOf(
  directory: string,
  config: NodeConfig,
  listen: { readonly grpc: string; readonly peer: string },
) {
  const peer = splitAddress(listen.peer)
  if (config.cluster === undefined) {
    const clusterId = await readOrCreate(join(directory, 'cluster.id'), randomUUID)
    const clusterSecret = await readOrCreate(join(directory, 'cluster.secret'), newSecret)
    const member: MemberStatus = {
      id: 1,
      name: config.name ?? 'one',
      peerAddress: listen.peer,
      clientAddress: listen.grpc,
    }
    return { clusterId, clusterSecret, memberId: 1, members: [member], listen: peer }
  }
  const { id, secretFile, member, members } = config.cluster
  const clusterSecret = await readShared(secretFile)
  return {
    clusterId: id,
    clusterSecret,
    memberId: member,
    members: members.map((each) => ({
      id: each.id,
      name: each.name,
      peerAddress: each.peer,
      clientAddress: each.client,
    })),
    listen: peer,
  }
}
