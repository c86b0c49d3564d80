import type { PeerCertificate } from 'node:tls'
import { mayUseEtcd } from '../../log/tls/identity.ts'
import type { WatchedTls } from '../../log/tls/watched.ts'
import { authMethods } from './auth_service.ts'
import { clusterMethods } from './cluster_service.ts'
import { hotMethods } from './hot_methods.ts'
import { kvMethods } from './kv_service.ts'
import { requiringLeader } from './leader_watch.ts'
import { keepAlive, leaseMethods } from './lease_service.ts'
import { Lessor } from './lessor.ts'
import { type Backup, maintenanceMethods, snapshotMethod } from './maintenance_service.ts'
import { Member, type MemberParts } from './member.ts'
import { PeerClient } from './peer_client.ts'
import { Router } from './router.ts'
import { RpcServer } from './server.ts'
import { Sweeper } from './sweeper.ts'
import { type DirectMethod, direct } from './unary_call.ts'
import { WatchHub } from './watch_hub.ts'
import { watchMethod } from './watch_service.ts'

export interface EtcdOptions extends MemberParts {
  readonly host: string
  /** 0 takes a free one. */
  readonly port: number
  readonly electionTimeoutMilliseconds: number
  readonly backup: Backup
  /** With it everything is TLS: callers show a certificate of a member or of a client of the etcd API, and so does this member. */
  readonly secure?: { readonly tls: WatchedTls; readonly warn: (message: string) => void } | undefined
  /** After how long a watch that asked for it is told of progress; default 10 minutes. */
  readonly progressMilliseconds?: number | undefined
  readonly onFault: (error: unknown, where: string) => void
}

export interface EtcdServer {
  readonly port: number
  close(graceMilliseconds: number): Promise<void>
}

/** Serves the etcd v3 API of this member. Rejects when the address is taken. */
export async function startEtcd(options: EtcdOptions): Promise<EtcdServer> {
  const { electionTimeoutMilliseconds, progressMilliseconds, secure } = options
  const member = new Member(options)
  const { clusterId } = options.log.status()
  const hub = new WatchHub(member)
  const lessor = new Lessor(member)
  const sweeper = new Sweeper(member)
  const peers = new PeerClient(secure && { current: () => secure.tls.current, clusterId })
  const router = new Router(member, peers)
  const leases = { member, router, lessor, electionTimeoutMilliseconds }
  const unary = new Map([
    ...[
      ...kvMethods(member, router),
      ...leaseMethods(leases),
      ...clusterMethods(member, hub, secure === undefined ? 'http' : 'https'),
      ...maintenanceMethods(member, hub),
      ...authMethods(member, hub),
    ].map(([path, method]): [string, DirectMethod] => [path, direct(method)]),
    ...hotMethods(member, router),
  ])
  const streaming = new Map(
    [
      watchMethod({ member, hub, progressMilliseconds }),
      keepAlive(leases),
      snapshotMethod(member, hub, options.backup),
    ].map(([path, method]) => [path, requiringLeader(member, electionTimeoutMilliseconds, method)]),
  )
  const stop = (): void => {
    peers.close()
    lessor.close()
    sweeper.close()
    hub.close()
  }
  try {
    const security = secure && {
      ...secure,
      clients: 'required' as const,
      mayCall: (certificate: PeerCertificate) => mayUseEtcd(certificate, clusterId),
    }
    const server = await RpcServer.start({ unary, streaming }, options, security, options.onFault)
    if (options.port === 0) member.servedAt(`${options.host}:${server.port}`)
    return {
      port: server.port,
      close: async (graceMilliseconds) => {
        await server.close(graceMilliseconds)
        stop()
      },
    }
  } catch (error) {
    stop()
    throw error
  }
}
