import { randomInt } from 'node:crypto'
import { copyFile, mkdir, mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { basename, join } from 'node:path'
import { type MemberAddresses, writeClusterFiles } from '../../main/cluster_files.ts'
import { readConfig } from '../../main/config.ts'
import { formatMember } from '../../main/member_files.ts'
import { MemberProcess } from '../failover/member_process.ts'

/** A member's machine: its process, and the folder with its copy of the files. */
export interface Machine {
  readonly name: string
  readonly addresses: MemberAddresses
  readonly files: string
  readonly process: MemberProcess
}

/** Three members with TLS, each a process with its own copy of its files; the office, with the authority's key, is elsewhere. */
export class TlsCluster {
  /** Where `cluster init` wrote, and certificates are issued. */
  readonly office: string
  readonly machines: readonly Machine[]
  readonly #directory: string

  static async start(): Promise<TlsCluster> {
    const directory = await mkdtemp(join(tmpdir(), 'ultracloud-tls-cluster-'))
    const office = join(directory, 'office')
    const members = loopbackMembers()
    const files = await writeClusterFiles({ directory: office, members, roles: ['member'], tls: true })
    const machines: Machine[] = []
    for (const [index, addresses] of members.entries()) {
      const { name } = addresses
      const machine = join(directory, 'machines', name)
      await mkdir(machine, { recursive: true })
      const config = files.configs[index] as string
      for (const file of [config, files.secretFile, files.masterKeyFile])
        await copyFile(file, join(machine, basename(file)))
      const process = new MemberProcess(
        addresses,
        join(directory, 'data', name),
        join(machine, basename(config)),
      )
      machines.push({ name, addresses, files: machine, process })
    }
    const cluster = new TlsCluster(directory, office, machines)
    try {
      for (const [index, machine] of machines.entries()) {
        await cluster.deliver(machine)
        await formatMember(
          join(directory, 'data', machine.name),
          await readConfig(files.configs[index] as string),
        )
      }
      await Promise.all(machines.map(({ process }) => process.start()))
      return cluster
    } catch (error) {
      await cluster.close()
      throw error
    }
  }

  private constructor(directory: string, office: string, machines: readonly Machine[]) {
    this.#directory = directory
    this.office = office
    this.machines = machines
  }

  get caFile(): string {
    return join(this.office, 'ca.crt')
  }

  /** Copies what the office has for a machine, file by file. */
  async deliver({ name, files }: Machine): Promise<void> {
    for (const file of ['ca.crt', `member-${name}.crt`, `member-${name}.key`])
      await copyFile(join(this.office, file), join(files, file))
  }

  /** The administrator's. */
  async token(): Promise<string> {
    for (const { process } of this.machines) {
      const token = await readFile(join(process.directory, 'admin.token'), 'utf8').catch(() => undefined)
      if (token !== undefined) return token.trim()
    }
    throw new Error('no member made an administrator')
  }

  async close(): Promise<void> {
    await Promise.all(
      this.machines.filter(({ process }) => process.running).map(({ process }) => process.stop()),
    )
    await rm(this.#directory, { recursive: true, force: true })
  }
}

/** Every cluster has addresses of its own in 127.0.0.0/8. */
function loopbackMembers(): readonly MemberAddresses[] {
  const network = `127.${randomInt(1, 255)}.${randomInt(1, 255)}`
  return ['a', 'b', 'c'].map((name, index) => {
    const host = `${network}.${index + 1}`
    return { name, client: `${host}:7420`, peer: `${host}:7421`, rest: `${host}:7422` }
  })
}
