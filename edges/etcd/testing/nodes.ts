import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Platform } from '../../../domains/kernel/platform.ts'
import { Registry } from '../../../domains/kernel/registry.ts'
import kv from '../../../domains/kv/index.ts'
import type { Log } from '../../../log/log.ts'
import { openLog } from '../../../log/node.ts'
import { formatDirectory } from '../../../log/storage/format.ts'
import { Runner } from '../../../projections/kernel/runner.ts'
import { freePort } from '../../testing/free_port.ts'
import { until } from '../../testing/until.ts'
import { type EtcdServer, startEtcd } from '../etcd.ts'

const ELECTION_TIMEOUT_MS = 500

export interface Times {
  /** As the API is told it: what a lease lasts at least depends on it. */
  readonly electionMilliseconds?: number
  readonly progressMilliseconds?: number
}

/** One member with keys alone, and its etcd API. */
export interface TestNode {
  readonly log: Log
  readonly platform: Platform
  readonly runner: Runner
  readonly address: string
  /** Stops it at once; the directory stays. */
  stop(): Promise<void>
}

export class TestCluster implements AsyncDisposable {
  readonly #directory: string
  readonly #members: readonly {
    readonly id: number
    readonly name: string
    readonly peerAddress: string
    readonly clientAddress: string
    readonly etcdAddress: string
  }[]
  readonly #nodes = new Map<number, TestNode>()
  readonly faults: string[] = []
  readonly #times: Times

  private constructor(directory: string, ports: readonly number[], times: Times) {
    this.#directory = directory
    this.#times = times
    this.#members = ports.flatMap((peer, at) => {
      const etcd = ports[at + 1]
      if (at % 2 === 1 || etcd === undefined) return []
      const id = at / 2 + 1
      const etcdAddress = `127.0.0.1:${etcd}`
      return [
        { id, name: `m${id}`, peerAddress: `127.0.0.1:${peer}`, clientAddress: etcdAddress, etcdAddress },
      ]
    })
  }

  /** Members 1 to `size`, with one leading. */
  static async start(size: 1 | 3, times: Times = {}): Promise<TestCluster> {
    const directory = await mkdtemp(join(tmpdir(), 'ultracloud-etcd-'))
    const ports = await Promise.all(Array.from({ length: 2 * size }, () => freePort()))
    const cluster = new TestCluster(directory, ports, times)
    try {
      for (const { id } of cluster.#members) {
        const identity = { clusterId: 'test', memberId: id }
        if (size > 1)
          await formatDirectory(join(directory, String(id), 'log'), identity, { standing: 'founding' })
      }
      for (const { id } of cluster.#members) await cluster.startNode(id)
      await cluster.leader()
    } catch (error) {
      await cluster[Symbol.asyncDispose]()
      throw error
    }
    return cluster
  }

  get nodes(): readonly TestNode[] {
    return [...this.#nodes.values()]
  }

  get addresses(): readonly string[] {
    return this.nodes.map(({ address }) => address)
  }

  /** The member that decides, once there is one. */
  async leader(): Promise<TestNode> {
    await until('a leader', () => this.nodes.some(({ platform }) => platform.leading))
    return this.nodes.find(({ platform }) => platform.leading) ?? this.leader()
  }

  /** Where a member's log, rows and projections are. */
  directoryOf(memberId: number): string {
    return join(this.#directory, String(memberId))
  }

  async startNode(memberId: number): Promise<TestNode> {
    const member = this.#members.find(({ id }) => id === memberId)
    if (member === undefined) throw new RangeError(`there is no member ${memberId}`)
    const directory = this.directoryOf(memberId)
    const split = (address: string) => ({ host: '127.0.0.1', port: Number(address.split(':')[1]) })
    const onFatal = (error: Error): void => void this.faults.push(error.stack ?? error.message)
    const log = await openLog({
      directory: join(directory, 'log'),
      clusterId: 'test',
      clusterSecret: 'test',
      memberId,
      members: this.#members,
      listen: split(member.peerAddress),
      electionTimeoutMilliseconds: ELECTION_TIMEOUT_MS,
      failed: onFatal,
    })
    const registry = new Registry([kv])
    const platform = await Platform.open({ log, registry, directory: join(directory, 'rows'), onFatal })
    const runner = await Runner.open({
      log,
      directory: join(directory, 'projections'),
      worker: new URL('./projection_worker.ts', import.meta.url),
      onFatal,
    })
    const server: EtcdServer = await startEtcd({
      log,
      platform,
      runner,
      members: this.#members,
      ...split(member.etcdAddress),
      electionTimeoutMilliseconds: this.#times.electionMilliseconds ?? ELECTION_TIMEOUT_MS,
      progressMilliseconds: this.#times.progressMilliseconds,
      backup: async function* () {
        yield Buffer.from('a backup')
      },
      onFault: (error, where) => this.faults.push(`${where}: ${String(error)}`),
    })
    const node: TestNode = {
      log,
      platform,
      runner,
      address: member.etcdAddress,
      stop: async () => {
        this.#nodes.delete(memberId)
        await server.close(200)
        await runner.close()
        await platform.close()
        await log.close()
      },
    }
    this.#nodes.set(memberId, node)
    return node
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const node of this.nodes) await node.stop()
    await rm(this.#directory, { recursive: true, force: true })
  }
}
