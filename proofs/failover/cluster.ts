import { randomInt } from 'node:crypto'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { loadDomains } from '../../domains/load.ts'
import type { ClusterStatus } from '../../edges/control_plane.ts'
import { Api } from '../../edges/grpc/api.ts'
import { ApiClient } from '../../edges/grpc/client.ts'
import { type ClusterFiles, type MemberAddresses, writeClusterFiles } from '../../main/cluster_files.ts'
import { readConfig } from '../../main/config.ts'
import { formatMember } from '../../main/member_files.ts'
import { MemberProcess } from './member_process.ts'
import { until } from './until.ts'

/** T: a member that hears no leader campaigns after T to 2T milliseconds. */
export const ELECTION_TIMEOUT_MS = 500
/** The upper end of the range. */
export const ELECTION_TIMEOUT_MS_MAX = 2 * ELECTION_TIMEOUT_MS

const LEADER_TIMEOUT_MS = 30_000
const STATUS_TIMEOUT_MS = 1_000

/** A cluster of members on loopback, each a process, in a directory that goes with it. */
export class ProcessCluster {
  readonly members: readonly MemberProcess[]
  readonly api: Api
  readonly #directory: string
  #token = ''
  readonly #clients = new Map<string, ApiClient>()

  /** Starts the members, and resolves once all are ready. */
  static async start(size: 1 | 3 | 5): Promise<ProcessCluster> {
    const cluster = await ProcessCluster.prepare(size)
    try {
      await cluster.startAll()
      return cluster
    } catch (error) {
      await cluster.close()
      throw error
    }
  }

  /** Writes the files of the members, and starts none. */
  static async prepare(size: 1 | 3 | 5): Promise<ProcessCluster> {
    const directory = await mkdtemp(join(tmpdir(), 'ultracloud-members-'))
    const members = loopbackMembers(size)
    const files = await writeClusterFiles({
      directory: join(directory, 'files'),
      members,
      roles: ['member'],
      electionTimeoutMilliseconds: ELECTION_TIMEOUT_MS,
    })
    for (const [index, { name }] of members.entries())
      if (size > 1)
        await formatMember(join(directory, name), await readConfig(files.configs[index] as string))
    return new ProcessCluster(directory, members, files, new Api(await loadDomains()))
  }

  private constructor(directory: string, members: readonly MemberAddresses[], files: ClusterFiles, api: Api) {
    this.#directory = directory
    this.api = api
    this.members = members.map(
      (member, index) =>
        new MemberProcess(member, join(directory, member.name), files.configs[index] as string),
    )
  }

  /** The administrator's. */
  get token(): string {
    return this.#token
  }

  get running(): readonly MemberProcess[] {
    return this.members.filter(({ running }) => running)
  }

  async startAll(nodeArguments: readonly string[] = []): Promise<void> {
    const [ready] = await Promise.all(this.members.map((member) => member.start(nodeArguments)))
    if (ready !== undefined) this.#token = (await readFile(ready.tokenFile, 'utf8')).trim()
  }

  clientOf(member: MemberProcess): ApiClient {
    const found = this.#clients.get(member.name)
    if (found !== undefined) return found
    const made = new ApiClient(this.api, member.grpc, this.#token)
    this.#clients.set(member.name, made)
    return made
  }

  /** What a member says; undefined when it does not answer. */
  async status(member: MemberProcess): Promise<ClusterStatus | undefined> {
    try {
      const options = { timeoutMilliseconds: STATUS_TIMEOUT_MS }
      const status = await this.clientOf(member).call('ClusterService/Status', {}, options)
      return status as unknown as ClusterStatus
    } catch {
      return undefined
    }
  }

  /** The member that says of itself that it leads, in the newest term. */
  leader(): Promise<MemberProcess> {
    return until('a leader', LEADER_TIMEOUT_MS, async () => {
      const statuses = await Promise.all(this.running.map((member) => this.status(member)))
      const newest = statuses
        .filter((status) => status !== undefined)
        .sort((left, right) => right.term - left.term)
        .find(({ member, leader }) => member === leader)
      return this.running.find(({ name }) => name === newest?.member)
    })
  }

  followers(leader: MemberProcess): readonly MemberProcess[] {
    return this.running.filter((member) => member !== leader)
  }

  /** Ends every member, and removes what it wrote. */
  async close(): Promise<void> {
    for (const client of this.#clients.values()) client.close()
    for (const member of this.running) member.signal('SIGCONT')
    await Promise.all(this.running.map((member) => member.stop()))
    await rm(this.#directory, { recursive: true, force: true })
  }
}

/** Every cluster has addresses of its own in 127.0.0.0/8, so that a member that starts again finds its ports free. */
function loopbackMembers(size: number): readonly MemberAddresses[] {
  const network = `127.${randomInt(1, 255)}.${randomInt(1, 255)}`
  return Array.from({ length: size }, (_, index) => {
    const host = `${network}.${index + 1}`
    const name = String.fromCharCode(97 + index)
    return { name, client: `${host}:7420`, peer: `${host}:7421`, rest: `${host}:7422` }
  })
}
