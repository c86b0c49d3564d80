import { type ChildProcess, spawn } from 'node:child_process'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import type { Network } from './network.ts'

const START_TIMEOUT_MS = 60_000
const OUTPUT_LINES_MAX = 200
const PROGRAM = join(import.meta.dirname, '..', '..', '..', 'main', 'ultracloud.ts')

export interface MemberSetup {
  readonly index: number
  readonly name: string
  /** host:port of its etcd API. */
  readonly etcd: string
  readonly directory: string
  readonly config: string
}

/** One member as a process of its own in its place of the network, started again and again on the same directory. */
export class Member {
  readonly index: number
  readonly name: string
  readonly etcd: string
  readonly #setup: MemberSetup
  readonly #network: Network
  /** Given to Node itself. */
  readonly #nodeArguments: readonly string[]
  readonly #output: string[] = []
  #child: ChildProcess | undefined
  #ended: Promise<number | string> = Promise.resolve(0)
  #isTold = false
  #died: string | undefined

  constructor(setup: MemberSetup, network: Network, nodeArguments: readonly string[]) {
    this.index = setup.index
    this.name = setup.name
    this.etcd = setup.etcd
    this.#setup = setup
    this.#network = network
    this.#nodeArguments = nodeArguments
  }

  get running(): boolean {
    return this.#child !== undefined
  }

  get pid(): number {
    if (this.#child?.pid === undefined) throw new Error(`member ${this.name} does not run`)
    return this.#child.pid
  }

  /** How it ended by itself, and what it wrote; undefined while nobody but this proof has ended it. */
  get died(): string | undefined {
    return this.#died
  }

  /** The last lines it wrote. */
  get output(): string {
    return this.#output.map((line) => `${this.name}: ${line}`).join('\n')
  }

  /** Resolves once it is ready. */
  async start(): Promise<void> {
    const { directory, config, index } = this.#setup
    const up = ['up', '--data', directory, '--config', config, '--roles', 'member', '--insecure']
    const command = [process.execPath, ...this.#nodeArguments, PROGRAM, ...up]
    const [program = '', ...args] = this.#network.inside(index, command)
    const child = spawn(program, args, {
      stdio: ['pipe', 'pipe', 'pipe'],
      env: { ...process.env, ULTRACLOUD_SUPERVISED: '1' },
    })
    this.#child = child
    this.#isTold = false
    this.#ended = new Promise((resolve) => {
      child.once('close', (code, signal) => {
        this.#child = undefined
        const how = signal ?? code ?? 0
        if (!this.#isTold) this.#died = `member ${this.name} ended by itself with ${how}\n${this.output}`
        resolve(how)
      })
    })
    const ready = Promise.withResolvers<void>()
    const take = (line: string): void => {
      if (line.startsWith('ready ')) ready.resolve()
      this.#output.push(line)
      if (this.#output.length > OUTPUT_LINES_MAX) this.#output.shift()
    }
    createInterface({ input: child.stdout }).on('line', take)
    createInterface({ input: child.stderr }).on('line', take)
    child.once('error', ready.reject)
    void this.#ended.then((how) =>
      ready.reject(new Error(`member ${this.name} ended with ${how}\n${this.output}`)),
    )
    const timer = setTimeout(
      () => ready.reject(new Error(`member ${this.name} was not ready in ${START_TIMEOUT_MS} ms`)),
      START_TIMEOUT_MS,
    )
    return ready.promise.finally(() => clearTimeout(timer))
  }

  /** Stops it for a while (SIGSTOP), or lets it go on (SIGCONT). */
  signal(signal: 'SIGSTOP' | 'SIGCONT'): void {
    this.#child?.kill(signal)
  }

  /** `kill -9`: resolves once it is gone. */
  async kill(): Promise<void> {
    this.#isTold = true
    this.#child?.kill('SIGKILL')
    await this.#ended
  }
}
