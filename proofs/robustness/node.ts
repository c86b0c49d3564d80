import { type ChildProcess, spawn } from 'node:child_process'
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { newCommandId } from '../../domains/kernel/uuid.ts'
import { loadDomains } from '../../domains/load.ts'
import { Api } from '../../edges/grpc/api.ts'
import { ApiClient } from '../../edges/grpc/client.ts'
import type { Role } from '../../main/config.ts'
import type { NodeFacts } from '../../main/up.ts'

const READY_MS = 60_000
const STOP_MS = 15_000
const program = new URL('../../main/ultracloud.ts', import.meta.url).pathname

/**
 * How much more memory than for ordinary work a process of a node may have taken at its worst, whatever clients do. It is what fills up
 * with work and then stays as it is (SQLite's cache of 64 MiB, the newest entries, the command ids that are remembered), and
 * garbage, of which the projections' worker alone may have 96 MiB: the more, the busier the machine keeps the collector from its work.
 */
export const GROWTH_BYTES_MAX = 320 * 1024 * 1024
/** What a process may hold on to: with more, V8 ends it. It is a tenth of what V8 would take on a large machine. */
const HEAP_MEBIBYTES_MAX = 256

/** A node as an operator runs it: a process of its own, and a process for every daemon. */
export class NodeProcess {
  readonly facts: NodeFacts
  readonly api: Api
  readonly admin: ApiClient
  readonly token: string
  readonly #child: ChildProcess
  readonly #directory: string
  readonly #lines: readonly string[]
  readonly #baselines = new Map<number, number>()

  static async start(roles: readonly Role[]): Promise<NodeProcess> {
    const directory = await mkdtemp(join(tmpdir(), 'ultracloud-robustness-'))
    const config = join(directory, 'config.json')
    const free = '127.0.0.1:0'
    await writeFile(
      config,
      JSON.stringify({ listen: { grpc: free, rest: free, peer: free, dns: free, etcd: free } }),
    )
    const args = [
      program,
      'up',
      '--data',
      join(directory, 'data'),
      '--config',
      config,
      '--roles',
      roles.join(','),
    ]
    const child = spawn(process.execPath, args, {
      stdio: ['pipe', 'pipe', 'pipe'],
      env: {
        ...process.env,
        ULTRACLOUD_SUPERVISED: '1',
        NODE_OPTIONS: `--max-old-space-size=${HEAP_MEBIBYTES_MAX}`,
      },
    })
    const lines: string[] = []
    try {
      const facts = await ready(child, lines)
      const token = (await readFile(facts.tokenFile, 'utf8')).trim()
      const api = new Api(await loadDomains())
      const node = new NodeProcess(facts, api, token, child, directory, lines)
      await node.#warmUp()
      return node
    } catch (error) {
      child.kill('SIGKILL')
      await rm(directory, { recursive: true, force: true })
      throw error
    }
  }

  private constructor(
    facts: NodeFacts,
    api: Api,
    token: string,
    child: ChildProcess,
    directory: string,
    lines: readonly string[],
  ) {
    this.facts = facts
    this.api = api
    this.token = token
    this.admin = new ApiClient(api, facts.grpc, token)
    this.#child = child
    this.#directory = directory
    this.#lines = lines
  }

  /** What it has said last, for the message of a test that fails. */
  get tail(): string {
    return this.#lines.slice(-20).join('\n')
  }

  /** Brings it to the state from which its memory is judged: some commands and reads have been served. */
  async #warmUp(): Promise<void> {
    for (let i = 0; i < 64; i++) {
      await this.run('iam.CreateUser', { name: `warm-${i}` })
      await this.admin.read({ kind: 'iam.user' })
    }
    await this.judgeFromHere()
  }

  /** What its processes had at the worst so far is what they need for what they have done: growth counts from there. */
  async judgeFromHere(): Promise<void> {
    for (const pid of await this.#pids()) {
      this.#baselines.set(pid, await peakBytes(pid))
      await writeFile(`/proc/${pid}/clear_refs`, '5')
    }
  }

  async #pids(): Promise<readonly number[]> {
    const own = this.#child.pid
    if (own === undefined) throw new Error('the node has not started')
    const children: number[] = []
    for (const task of await readdir(`/proc/${own}/task`)) {
      const text = await readFile(`/proc/${own}/task/${task}/children`, 'utf8')
      children.push(...text.split(' ').filter(Boolean).map(Number))
    }
    return [own, ...children]
  }

  /** By how much the memory of each of its processes was above that at the point judged from, at the worst since. Throws Error when one was replaced. */
  async growth(): Promise<readonly number[]> {
    const pids = await this.#pids()
    return Promise.all(
      pids.map(async (pid) => {
        const baseline = this.#baselines.get(pid)
        if (baseline === undefined)
          throw new Error(`a process of the node has ended, and was replaced:\n${this.tail}`)
        return (await peakBytes(pid)) - baseline
      }),
    )
  }

  async run(type: string, data: object): Promise<Record<string, unknown>> {
    const { result } = await this.admin.command({ type, data, commandId: newCommandId() })
    return { ...result }
  }

  async close(): Promise<void> {
    this.admin.close()
    const ended = new Promise((resolve) => this.#child.once('close', resolve))
    if (this.#child.exitCode === null && this.#child.signalCode === null) {
      const timer = setTimeout(() => this.#child.kill('SIGKILL'), STOP_MS)
      this.#child.kill('SIGTERM')
      await ended
      clearTimeout(timer)
    }
    await rm(this.#directory, { recursive: true, force: true })
  }
}

function ready(child: ChildProcess, lines: string[]): Promise<NodeFacts> {
  return new Promise((resolve, reject) => {
    const fail = (why: string): void => reject(new Error(`${why}\n${lines.join('\n')}`))
    const timer = setTimeout(() => fail(`the node is not ready after ${READY_MS} ms`), READY_MS)
    child.once('error', reject)
    child.once('close', () => fail('the node has ended'))
    for (const stream of [child.stdout, child.stderr]) {
      if (stream === null) continue
      createInterface({ input: stream }).on('line', (line) => {
        lines.push(line)
        if (lines.length > 200) lines.shift()
        if (!line.startsWith('ready ')) return
        clearTimeout(timer)
        resolve(JSON.parse(line.slice(6)) as NodeFacts)
      })
    }
  })
}

/** The most memory that a process has held since the peak was reset last, in bytes: VmHWM of proc_pid_status(5). */
async function peakBytes(pid: number): Promise<number> {
  const text = await readFile(`/proc/${pid}/status`, 'utf8')
  const kibibytes = /^VmHWM:\s+(\d+) kB/m.exec(text)?.[1]
  if (kibibytes === undefined) throw new Error(`process ${pid} does not tell its peak`)
  return Number(kibibytes) * 1024
}
