import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { freePort } from '../../testing/free_port.ts'

const START_MS = 20_000
/** So that no lease is so short that it ends on a busy machine. */
export const ELECTION_MS = 20_000

/** An etcd-server of Debian (package etcd-server) with a directory and ports of its own. */
export class RealEtcd implements AsyncDisposable {
  readonly address: string
  readonly #process: ChildProcess
  readonly #directory: string

  private constructor(address: string, process: ChildProcess, directory: string) {
    this.address = address
    this.#process = process
    this.#directory = directory
  }

  /** Throws when etcd is not installed or does not come up. */
  static async start(): Promise<RealEtcd> {
    const directory = await mkdtemp(join(tmpdir(), 'ultracloud-real-etcd-'))
    const [client, peer] = [await freePort(), await freePort()]
    const url = `http://127.0.0.1:${client}`
    const peerUrl = `http://127.0.0.1:${peer}`
    const child = spawn(
      'etcd',
      [
        ['--name', 'real'],
        ['--data-dir', join(directory, 'data')],
        ['--listen-client-urls', url],
        ['--advertise-client-urls', url],
        ['--listen-peer-urls', peerUrl],
        ['--initial-advertise-peer-urls', peerUrl],
        ['--initial-cluster', `real=${peerUrl}`],
        ['--election-timeout', String(ELECTION_MS)],
        ['--heartbeat-interval', String(ELECTION_MS / 20)],
        ['--log-level', 'error'],
      ].flat(),
      { stdio: 'ignore', env: { ...process.env, ETCD_UNSUPPORTED_ARCH: process.arch } },
    )
    const etcd = new RealEtcd(`127.0.0.1:${client}`, child, directory)
    const failed = once(child, 'error').then(([error]) => Promise.reject(error as Error))
    try {
      await Promise.race([reachable(client), failed])
    } catch (error) {
      await etcd[Symbol.asyncDispose]()
      throw error
    }
    failed.catch(() => undefined)
    return etcd
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#process.pid !== undefined && this.#process.exitCode === null) {
      const exited = once(this.#process, 'exit')
      this.#process.kill('SIGKILL')
      await exited
    }
    await rm(this.#directory, { recursive: true, force: true })
  }
}

/** Waits until a port takes connections. */
async function reachable(port: number): Promise<void> {
  const deadline = Date.now() + START_MS
  for (;;) {
    const connected = await new Promise<boolean>((resolve) => {
      const socket = connect(port, '127.0.0.1')
      socket.once('connect', () => resolve(true))
      socket.once('error', () => resolve(false))
      socket.once('close', () => resolve(false))
      socket.once('connect', () => socket.destroy())
    })
    if (connected) return
    if (Date.now() > deadline) throw new Error(`nothing came up on port ${port}`)
    await sleep(50)
  }
}
