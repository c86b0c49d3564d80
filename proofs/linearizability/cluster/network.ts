import { type ChildProcess, spawn } from 'node:child_process'
import { randomInt } from 'node:crypto'
import { readlink } from 'node:fs/promises'
import { until } from '../../failover/until.ts'
import { run } from './run.ts'

/** Where members are reached, and how a program comes to run beside one. */
export interface Network {
  /** The member's IPv4 address; members count from 0. */
  address(member: number): string
  /** A command line that runs there. */
  inside(member: number, command: readonly string[]): readonly string[]
  /** Undefined where links cannot be cut. */
  readonly links: Links | undefined
  close(): Promise<void>
}

/** An end of a link: a member, or the clients. */
export type End = number | 'clients'

export interface Links {
  /** From now on nothing arrives that `from` sends to `to`; what goes the other way arrives. */
  cut(from: End, to: End): Promise<void>
  heal(from: End, to: End): Promise<void>
}

/** Every cluster has addresses of its own in 127.0.0.0/8, so that a member that starts again finds its ports free. */
export function loopback(): Network {
  const prefix = `127.${randomInt(1, 255)}.${randomInt(1, 255)}`
  return {
    address: (member) => `${prefix}.${member + 1}`,
    inside: (_, command) => command,
    links: undefined,
    close: () => Promise.resolve(),
  }
}

const PREFIX = '10.79.0'
const CLIENTS = 254
/** Nobody has it: what is sent to it is lost. */
const NOWHERE = '02:00:00:00:ff:ff'
const NAMESPACE_TIMEOUT_MS = 5_000

const hostOf = (end: End): number => (end === 'clients' ? CLIENTS : end + 1)
const addressOf = (end: End): string => `${PREFIX}.${hostOf(end)}`
const macOf = (end: End): string => `02:00:00:00:00:${hostOf(end).toString(16).padStart(2, '0')}`

/**
 * A network namespace for each member, on a bridge in this process's own, which must be one that nobody else uses (`unshare --net`): all of
 * it goes with the processes that hold it, however they end. A link is cut, one way, by a neighbour entry of the sender that names a
 * machine that there is not: packets are lost in silence, as in a broken switch.
 */
export class NamespaceNetwork implements Network, Links {
  readonly #holders: readonly ChildProcess[]

  /** Needs root. */
  static async open(members: number): Promise<NamespaceNetwork> {
    const network = new NamespaceNetwork(members)
    try {
      await network.#build()
    } catch (error) {
      await network.close()
      throw error
    }
    return network
  }

  private constructor(members: number) {
    // Each ends, and its namespace with it, once this process is gone.
    this.#holders = Array.from({ length: members }, () =>
      spawn('unshare', ['--net', 'cat'], { stdio: ['pipe', 'ignore', 'inherit'] }),
    )
  }

  get links(): Links {
    return this
  }

  address(member: number): string {
    return addressOf(member)
  }

  inside(member: number, command: readonly string[]): readonly string[] {
    return ['nsenter', `--net=/proc/${this.#holders[member]?.pid}/ns/net`, '--', ...command]
  }

  cut(from: End, to: End): Promise<void> {
    return this.#neighbour(from, to, NOWHERE)
  }

  heal(from: End, to: End): Promise<void> {
    return this.#neighbour(from, to, macOf(to))
  }

  async close(): Promise<void> {
    await Promise.all(
      this.#holders.map(async (holder) => {
        if (holder.exitCode !== null || holder.signalCode !== null) return
        const ended = new Promise((resolve) => holder.once('close', resolve))
        holder.kill('SIGKILL')
        await ended
      }),
    )
  }

  async #build(): Promise<void> {
    const own = await readlink('/proc/self/ns/net')
    for (const { pid } of this.#holders)
      await until('a network namespace', NAMESPACE_TIMEOUT_MS, async () =>
        (await readlink(`/proc/${pid}/ns/net`)) === own ? undefined : true,
      )
    await run('ip', ['link', 'add', 'members', 'address', macOf('clients'), 'type', 'bridge'])
    await run('ip', ['address', 'add', `${addressOf('clients')}/24`, 'dev', 'members'])
    await run('ip', ['link', 'set', 'members', 'up'])
    for (const member of this.#holders.keys()) await this.#plug(member)
    const ends: readonly End[] = ['clients', ...this.#holders.keys()]
    for (const from of ends) for (const to of ends) if (from !== to) await this.heal(from, to)
  }

  async #plug(member: number): Promise<void> {
    const port = `port${member}`
    const peer = ['peer', 'name', 'eth0', 'address', macOf(member), 'netns', `${this.#holders[member]?.pid}`]
    await run('ip', ['link', 'add', port, 'type', 'veth', ...peer])
    await run('ip', ['link', 'set', port, 'master', 'members', 'up'])
    await this.#ip(member, ['address', 'add', `${addressOf(member)}/24`, 'dev', 'eth0'])
    await this.#ip(member, ['link', 'set', 'eth0', 'up'])
    await this.#ip(member, ['link', 'set', 'lo', 'up'])
  }

  #neighbour(from: End, to: End, mac: string): Promise<void> {
    const device = from === 'clients' ? 'members' : 'eth0'
    return this.#ip(from, [
      'neighbour',
      'replace',
      addressOf(to),
      'lladdr',
      mac,
      'dev',
      device,
      'nud',
      'permanent',
    ])
  }

  #ip(end: End, args: readonly string[]): Promise<void> {
    if (end === 'clients') return run('ip', args)
    const [program = '', ...rest] = this.inside(end, ['ip', ...args])
    return run(program, rest)
  }
}
