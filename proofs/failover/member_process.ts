import { type ChildProcess, spawn } from 'node:child_process'
import { join } from 'node:path'
import { createInterface } from 'node:readline'

const START_TIMEOUT_MS = 60_000
const STOP_TIMEOUT_MS = 20_000
const OUTPUT_LINES_MAX = 200
const PROGRAM = join(import.meta.dirname, '..', '..', 'main', 'ultracloud.ts')

/** What a node says of itself once it is ready. */
interface Ready {
  readonly grpc: string
  readonly rest: string
  readonly tokenFile: string
}

/** One member as a process of its own, started again and again on the same directory. */
export class MemberProcess {
  readonly name: string
  /** host:port. */
  readonly grpc: string
  readonly rest: string
  readonly directory: string
  readonly config: string
  readonly #output: string[] = []
  #child: ChildProcess | undefined
  #ended: Promise<number | string> = Promise.resolve(0)

  constructor(
    { name, client, rest }: { readonly name: string; readonly client: string; readonly rest: string },
    directory: string,
    config: string,
  ) {
    this.name = name
    this.grpc = client
    this.rest = rest
    this.directory = directory
    this.config = config
  }

  get running(): boolean {
    return this.#child !== undefined
  }

  get pid(): number {
    if (this.#child?.pid === undefined) throw new Error(`member ${this.name} does not run`)
    return this.#child.pid
  }

  /** The last lines it wrote. */
  get output(): string {
    return this.#output.map((line) => `${this.name}: ${line}`).join('\n')
  }

  /** Resolves once it is ready. `nodeArguments` go to Node itself. */
  async start(nodeArguments: readonly string[] = []): Promise<Ready> {
    const args = [PROGRAM, 'up', '--data', this.directory, '--config', this.config, '--roles', 'member']
    const child = spawn(process.execPath, [...nodeArguments, ...args], {
      stdio: ['pipe', 'pipe', 'pipe'],
      env: { ...process.env, ULTRACLOUD_SUPERVISED: '1' },
    })
    this.#child = child
    this.#ended = new Promise((resolve) => {
      child.once('close', (code, signal) => {
        this.#child = undefined
        resolve(signal ?? code ?? 0)
      })
    })
    const ready = Promise.withResolvers<Ready>()
    const take = (line: string): void => {
      if (line.startsWith('ready ')) ready.resolve(JSON.parse(line.slice(6)) as Ready)
      this.#output.push(line)
      if (this.#output.length > OUTPUT_LINES_MAX) this.#output.shift()
    }
    createInterface({ input: child.stdout }).on('line', take)
    createInterface({ input: child.stderr }).on('line', take)
    child.once('error', ready.reject)
    void this.#ended.then((how) => ready.reject(new Error(`it ended with ${how}\n${this.output}`)))
    const timer = setTimeout(
      () => ready.reject(new Error(`it was not ready in ${START_TIMEOUT_MS} ms\n${this.output}`)),
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
    this.#child?.kill('SIGKILL')
    await this.#ended
  }

  /** Tells it to end, and resolves with its exit code, or with the signal that ended it. */
  async stop(): Promise<number | string> {
    const timer = setTimeout(() => this.#child?.kill('SIGKILL'), STOP_TIMEOUT_MS)
    this.#child?.kill('SIGTERM')
    const how = await this.#ended
    clearTimeout(timer)
    return how
  }
}
