import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { writeClusterFiles } from '../../../main/cluster_files.ts'
import { readConfig } from '../../../main/config.ts'
import { formatMember } from '../../../main/member_files.ts'
import { until } from '../../failover/until.ts'
import type { ProofOptions } from '../options.ts'
import { EtcdClient } from '../workload/etcd_client.ts'
import { Member } from './member.ts'
import { loopback, NamespaceNetwork, type Network } from './network.ts'

/** T: a member that hears no leader campaigns after T to 2T milliseconds. */
const ELECTION_TIMEOUT_MS = 500
const LEADER_TIMEOUT_MS = 30_000
const STATUS_TIMEOUT_MS = 500
const ports = { grpc: 7420, peer: 7421, rest: 7422, etcd: 7423 }

export interface ClusterOptions {
  readonly size: ProofOptions['members']
  /** Whether each member has a network namespace of its own. */
  readonly namespaces: boolean
  /** Given to Node when a member starts. */
  readonly nodeArguments: readonly string[]
}

/** Members as processes, in a directory that goes with them. */
export class Cluster {
  readonly members: readonly Member[]
  readonly network: Network
  readonly #directory: string
  readonly #status: readonly EtcdClient[]

  /** Starts the members, and resolves once one leads. */
  static async start(options: ClusterOptions): Promise<Cluster> {
    const network = options.namespaces ? await NamespaceNetwork.open(options.size) : loopback()
    const directory = await mkdtemp(join(tmpdir(), 'ultracloud-linearizability-'))
    let cluster: Cluster | undefined
    try {
      const configs = await writeFiles(directory, network, options.size)
      cluster = new Cluster(network, directory, configs, options.nodeArguments)
      await Promise.all(cluster.members.map((member) => member.start()))
      await cluster.leader()
      return cluster
    } catch (error) {
      await cluster?.close()
      await network.close()
      await rm(directory, { recursive: true, force: true })
      throw error
    }
  }

  private constructor(
    network: Network,
    directory: string,
    configs: readonly string[],
    nodeArguments: readonly string[],
  ) {
    this.network = network
    this.#directory = directory
    this.members = configs.map((config, index) => {
      const name = nameOf(index)
      const etcd = `${network.address(index)}:${ports.etcd}`
      const setup = { index, name, etcd, config, directory: join(directory, name) }
      return new Member(setup, network, nodeArguments)
    })
    this.#status = this.members.map(({ etcd }) => new EtcdClient(etcd))
  }

  /** The member that says of itself that it leads, in the newest term. */
  leader(): Promise<Member> {
    return until('a leader', LEADER_TIMEOUT_MS, () => this.knownLeader())
  }

  /** As `leader`, when it can be found at once. */
  async knownLeader(): Promise<Member | undefined> {
    const statuses = await Promise.all(this.members.map((member) => this.#statusOf(member)))
    return statuses
      .filter((status) => status !== undefined)
      .filter(({ leads }) => leads)
      .sort((a, b) => b.term - a.term)
      .at(0)?.member
  }

  async #statusOf(member: Member) {
    if (!member.running) return undefined
    const client = this.#status[member.index]
    const call = { method: 'Maintenance/Status', request: 'StatusRequest', response: 'StatusResponse' }
    const answer = await client?.call(call, {}, STATUS_TIMEOUT_MS)
    if (answer?.kind !== 'answer') return undefined
    const { header, leader } = answer.message as { header: Record<string, unknown>; leader: unknown }
    return { member, term: Number(header['raftTerm']), leads: String(header['memberId']) === String(leader) }
  }

  /** Ends every member, and removes what it wrote. */
  async close(): Promise<void> {
    for (const client of this.#status) client.close()
    const running = this.members.filter((member) => member.running)
    for (const member of running) member.signal('SIGCONT')
    await Promise.all(running.map((member) => member.kill()))
    await this.network.close()
    await rm(this.#directory, { recursive: true, force: true })
  }
}

function nameOf(index: number): string {
  return String.fromCharCode(97 + index)
}

/** Writes the files of the members, and returns the paths of their configurations. */
async function writeFiles(directory: string, network: Network, size: number): Promise<readonly string[]> {
  const at = (index: number, port: number): string => `${network.address(index)}:${port}`
  const members = Array.from({ length: size }, (_, index) => ({
    name: nameOf(index),
    client: at(index, ports.grpc),
    peer: at(index, ports.peer),
    rest: at(index, ports.rest),
  }))
  const { configs } = await writeClusterFiles({
    directory: join(directory, 'files'),
    members,
    roles: ['member'],
    electionTimeoutMilliseconds: ELECTION_TIMEOUT_MS,
  })
  for (const [index, path] of configs.entries()) {
    const config = JSON.parse(await readFile(path, 'utf8')) as { listen: object }
    const listen = { ...config.listen, etcd: at(index, ports.etcd) }
    await writeFile(path, JSON.stringify({ ...config, listen }))
    if (size > 1) await formatMember(join(directory, nameOf(index)), await readConfig(path))
  }
  return configs
}
