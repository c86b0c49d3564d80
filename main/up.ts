import { mkdir, writeFile } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import type { Registry } from '../domains/kernel/registry.ts'
import { Api } from '../edges/grpc/api.ts'
import { ApiClient } from '../edges/grpc/client.ts'
import { identifyProcess, type ProcessIdentity } from '../hostd/kvm/process_identity.ts'
import { daemonToken } from './accounts.ts'
import { bootstrap } from './bootstrap.ts'
import { roles as allRoles, listenOf, machineName, type NodeConfig, type Role } from './config.ts'
import { fromHere } from './listening.ts'
import { type MemberNode, startMember } from './node.ts'
import { readOrCreate } from './secrets.ts'
import { Supervised } from './supervisor.ts'

const STOP_GRACE_MS = 10_000

export interface UpOptions {
  readonly directory: string
  readonly config: NodeConfig
  readonly roles: readonly Role[] | undefined
  /** Whether plaintext may be served to other machines. */
  readonly insecure?: boolean
  readonly registry: Registry
  readonly say: (line: string) => void
  readonly onFatal: (error: Error) => void
  /** How long it is waited for a leader before the start is given up. */
  readonly leaderMilliseconds: number
  /** Ends the start before it is done. */
  readonly signal: AbortSignal
}

/** What a running node tells of itself; also in `node.json` of its data directory. */
export interface NodeFacts {
  readonly name: string
  readonly roles: readonly Role[]
  readonly grpc: string
  readonly rest: string
  /** Whether both are served over TLS. */
  readonly tls: boolean
  readonly etcd: string
  /** Absent without the role `dns`. */
  readonly dns?: string
  readonly tokenFile: string
  readonly process: ProcessIdentity
}

export interface RunningNode {
  readonly facts: NodeFacts
  readonly member: MemberNode
  close(): Promise<void>
}

/**
 * Starts a node: the member in this process, and the daemons of its other roles in processes of their own that follow it over gRPC. Throws,
 * with nothing left running, what keeps it from starting, and the signal's reason when that comes first.
 */
export async function up(options: UpOptions): Promise<RunningNode> {
  const { config, registry, say, onFatal, signal } = options
  const directory = resolve(options.directory)
  const name =
    config.name ??
    config.cluster?.members.find(({ id }) => id === config.cluster?.member)?.name ??
    machineName()
  const roles = options.roles ?? config.roles ?? allRoles
  if (!roles.includes('member'))
    throw new RangeError(
      'a node without the role member is a daemon: start it with host, dns or balancer and --join',
    )
  await mkdir(directory, { recursive: true, mode: 0o700 })
  const member = await startMember({
    directory,
    config,
    insecure: options.insecure === true,
    registry,
    onFatal,
    warn: say,
  })
  const aborted = whenAborted(signal)
  const daemons: Supervised[] = []
  let closed = false
  const close = async (): Promise<void> => {
    closed = true
    await Promise.all(daemons.map((daemon) => daemon.stop(STOP_GRACE_MS)))
    await member.close()
  }
  try {
    for (const repair of member.repairs) say(`damaged rows were made anew from the log: ${repair}`)
    const tokenFile = join(directory, 'admin.token')
    const patience = { waitMilliseconds: options.leaderMilliseconds, say, signal }
    const made = await Promise.race([bootstrap(member, tokenFile, patience), aborted])
    if (made) say(`an administrator was made; its token is in ${tokenFile} (only you can read it)`)
    const token = await readOrCreate(tokenFile, () => {
      throw new Error(`${tokenFile} is missing, and no token of an administrator is left to make it from`)
    })
    const here = fromHere(member.grpcAddress)
    const client = new ApiClient(new Api(registry), here, token, member.credentials)
    const start = async (role: 'host' | 'dns' | 'balancer', more: readonly string[]): Promise<string> => {
      const file = await daemonToken(client, role, name, directory)
      if (closed) throw new Error('the node has ended')
      const command = role === 'dns' ? 'name-server' : role
      const program = new URL('./ultracloud.ts', import.meta.url).pathname
      const daemon = new Supervised({
        name: role,
        arguments: [
          program,
          command,
          '--join',
          here,
          `--ca-file=${config.tls?.caFile ?? ''}`,
          '--token-file',
          file,
          '--name',
          name,
          '--supervised',
          ...more,
        ],
        log: say,
      })
      daemons.push(daemon)
      return daemon.ready
    }
    const starting = Promise.all([
      roles.includes('dns') ? start('dns', ['--listen', listenOf(config).dns]) : undefined,
      roles.includes('balancer') ? start('balancer', []) : undefined,
      roles.includes('host') ? start('host', ['--data', join(directory, 'host')]) : undefined,
    ])
    const readiness = await Promise.race([starting, aborted])
    client.close()
    const facts: NodeFacts = {
      name,
      roles,
      grpc: member.grpcAddress,
      rest: member.restAddress,
      tls: config.tls !== undefined,
      etcd: member.etcdAddress,
      ...(readiness[0] === undefined ? {} : { dns: readiness[0] }),
      tokenFile,
      process: (await identifyProcess(process.pid)) ?? { pid: process.pid, startTicks: '', bootId: '' },
    }
    await writeFile(join(directory, 'node.json'), `${JSON.stringify(facts, null, 2)}\n`, { mode: 0o600 })
    return { facts, member, close }
  } catch (error) {
    await close()
    throw error
  }
}

/** Rejects with its reason when a signal is given. */
function whenAborted(signal: AbortSignal): Promise<never> {
  const aborted = new Promise<never>((_, reject) => {
    const give = (): void => reject(signal.reason as Error)
    if (signal.aborted) give()
    else signal.addEventListener('abort', give, { once: true })
  })
  aborted.catch(() => undefined)
  return aborted
}
