import { type ChildProcess, execFile, spawn } from 'node:child_process'
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import type { Registry } from '../domains/kernel/registry.ts'
import { Api } from '../edges/grpc/api.ts'
import { ApiClient } from '../edges/grpc/client.ts'
import type { NodeFacts } from './up.ts'

const READY_MS = 60_000
const STOP_MS = 20_000
const COMMAND_MS = 120_000
const LINES_MAX = 200
const program = fileURLToPath(new URL('ultracloud.ts', import.meta.url))

/** `ultracloud up` as a process of its own, on free ports: it ends with the process that started it. For tests. */
export class NodeProcess {
  readonly #child: ChildProcess
  readonly #closed: Promise<void>
  readonly #lines: string[] = []
  /** Rejects when it ends before it is ready. */
  readonly ready: Promise<NodeFacts>

  constructor(directory: string, config: string) {
    const args = [program, 'up', '--data', directory, '--config', config, '--roles', 'member']
    const env = { ...process.env, ULTRACLOUD_SUPERVISED: '1' }
    const child = spawn(process.execPath, args, { stdio: ['pipe', 'pipe', 'pipe'], env })
    this.#child = child
    this.#closed = new Promise((resolve) => child.once('close', () => resolve()))
    const { promise, resolve, reject } = Promise.withResolvers<NodeFacts>()
    this.ready = promise
    this.ready.catch(() => undefined)
    for (const stream of [child.stdout, child.stderr]) {
      createInterface({ input: stream }).on('line', (line) => {
        this.#lines.push(line)
        if (this.#lines.length > LINES_MAX) this.#lines.shift()
        if (line.startsWith('ready ')) resolve(JSON.parse(line.slice(6)) as NodeFacts)
      })
    }
    const late = setTimeout(
      () => reject(new Error(`not ready after ${READY_MS} ms:\n${this.output}`)),
      READY_MS,
    )
    void this.#closed.then(() => reject(new Error(`the node has ended:\n${this.output}`)))
    void this.ready.then(
      () => clearTimeout(late),
      () => clearTimeout(late),
    )
  }

  /** The last lines that it printed. */
  get output(): string {
    return this.#lines.join('\n')
  }

  /** Ends it with SIGKILL, whatever it is doing. */
  async kill(): Promise<void> {
    this.#child.kill('SIGKILL')
    await this.#closed
  }

  /** Ends it with SIGTERM. Throws Error with what it printed when it does not end by that, or not well. */
  async stop(): Promise<void> {
    this.#child.kill('SIGTERM')
    const late = setTimeout(() => this.#child.kill('SIGKILL'), STOP_MS)
    await this.#closed
    clearTimeout(late)
    const { exitCode, signalCode } = this.#child
    if (exitCode !== 0) throw new Error(`the node ended with ${exitCode ?? signalCode}:\n${this.output}`)
  }
}

/** Writes the configuration of a node on free ports, and gives its path. */
export async function writeFreePorts(directory: string): Promise<string> {
  const path = join(directory, 'free-ports.json')
  const any = '127.0.0.1:0'
  await writeFile(path, JSON.stringify({ listen: { grpc: any, rest: any, peer: any, etcd: any, dns: any } }))
  return path
}

/** A client of a node, as its administrator. */
export async function administratorOf(facts: NodeFacts, registry: Registry): Promise<ApiClient> {
  return new ApiClient(new Api(registry), facts.grpc, (await readFile(facts.tokenFile, 'utf8')).trim())
}

export interface CommandResult {
  readonly code: number
  readonly stdout: string
  readonly stderr: string
}

/** A node to be asked, and the file with the token to ask it with. */
export type Server = Pick<NodeFacts, 'grpc' | 'tokenFile'>

/** Runs `ultracloud` with arguments as a process of its own. Never rejects because of how that ends. */
export function runUltracloud(args: readonly string[], server?: Server): Promise<CommandResult> {
  return startUltracloud(args, server).ended
}

/** The same, with the process while it runs. */
export function startUltracloud(
  args: readonly string[],
  server?: Server,
): { readonly child: ChildProcess; readonly ended: Promise<CommandResult> } {
  const at = server === undefined ? {} : { ULTRACLOUD_SERVER: server.grpc }
  const env = { ...process.env, NO_COLOR: '1', ...at }
  const all = server === undefined ? args : [...args, '--token-file', server.tokenFile]
  const { promise: ended, resolve } = Promise.withResolvers<CommandResult>()
  const options = { env, timeout: COMMAND_MS, maxBuffer: 64 << 20 }
  const child = execFile(process.execPath, [program, ...all], options, (_, stdout, stderr) => {
    resolve({ code: child.exitCode ?? -1, stdout, stderr })
  })
  return { child, ended }
}
