import { type ChildProcess, spawn } from 'node:child_process'
import { randomInt } from 'node:crypto'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { leaderOf, type Size, type Subject, type SubjectMember } from './subject.ts'

const OUTPUT_BYTES_MAX = 16_384

/** Members of Debian's etcd-server as it comes, in a directory beside ours. Rejects when it is not installed, or none leads. */
export async function startEtcdServers(size: Size): Promise<Subject> {
  const directory = await mkdtemp(join(tmpdir(), 'ultracloud-bench-etcd-'))
  const network = `127.${randomInt(1, 255)}.${randomInt(1, 255)}`
  const hosts = Array.from({ length: size }, (_, index) => `${network}.${index + 1}`)
  const members = hosts.map((_, index) => new EtcdMember(directory, hosts, index))
  const subject: Subject = {
    kind: 'etcd',
    members,
    close: async () => {
      await Promise.all(members.map((member) => member.kill()))
      await rm(directory, { recursive: true, force: true })
    },
  }
  try {
    await Promise.all(members.map((member) => member.start()))
    await leaderOf(subject)
    return subject
  } catch (error) {
    await subject.close()
    throw error
  }
}

/** Every cluster has addresses of its own in 127.0.0.0/8, so that a member that starts again finds its ports free. */
class EtcdMember implements SubjectMember {
  readonly address: string
  readonly #arguments: readonly string[]
  #child: ChildProcess | undefined
  #ended: Promise<unknown> = Promise.resolve()
  #output = ''

  constructor(directory: string, hosts: readonly string[], index: number) {
    const peerUrl = (at: number): string => `http://${hosts[at]}:2380`
    this.address = `${hosts[index]}:2379`
    this.#arguments = [
      ['--name', `m${index}`],
      ['--data-dir', join(directory, `m${index}`)],
      ['--listen-client-urls', `http://${this.address}`],
      ['--advertise-client-urls', `http://${this.address}`],
      ['--listen-peer-urls', peerUrl(index)],
      ['--initial-advertise-peer-urls', peerUrl(index)],
      ['--initial-cluster', hosts.map((_, at) => `m${at}=${peerUrl(at)}`).join(',')],
      ['--log-level', 'error'],
    ].flat()
  }

  get pid(): number {
    if (this.#child?.pid === undefined) throw new Error(`etcd at ${this.address} does not run`)
    return this.#child.pid
  }

  /** Resolves once the process runs; that it answers is to be asked. Rejects when there is no such program. */
  async start(): Promise<void> {
    const child = spawn('etcd', [...this.#arguments], {
      stdio: ['ignore', 'pipe', 'pipe'],
      env: { ...process.env, ETCD_UNSUPPORTED_ARCH: process.arch },
    })
    for (const stream of [child.stdout, child.stderr])
      stream.on('data', (data) => (this.#output = `${this.#output}${String(data)}`.slice(-OUTPUT_BYTES_MAX)))
    const ended = new Promise<void>((resolve) => child.once('close', () => resolve()))
    await once(child, 'spawn')
    this.#child = child
    this.#ended = ended.then(() => {
      this.#child = undefined
    })
  }

  async kill(): Promise<void> {
    this.#child?.kill('SIGKILL')
    await this.#ended
  }

  async stop(): Promise<void> {
    this.#child?.kill('SIGTERM')
    await this.#ended
  }
}
