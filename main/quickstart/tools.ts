import { type ChildProcess, execFile, spawn } from 'node:child_process'
import { createServer } from 'node:net'
import { createInterface } from 'node:readline'
import { setTimeout as sleep } from 'node:timers/promises'
import { promisify } from 'node:util'
import { Rejection } from '../../domains/kernel/rejection.ts'
import { newCommandId } from '../../domains/kernel/uuid.ts'
import type { ApiClient } from '../../edges/grpc/client.ts'
import type { NodeFacts } from '../up.ts'

const POLL_MS = 200
const program = new URL('../ultracloud.ts', import.meta.url).pathname

/** Runs a program to its end and gives what it printed. Throws Error with what it said when it fails. */
export async function runTool(command: string, args: readonly string[]): Promise<string> {
  try {
    const { stdout } = await promisify(execFile)(command, [...args], {
      timeout: 120_000,
      maxBuffer: 16 << 20,
    })
    return stdout
  } catch (error) {
    const { code, stderr, message } = error as { code?: unknown; stderr?: string; message: string }
    if (code === 'ENOENT')
      throw new Error(
        `${command} is not installed: run "sh scripts/setup.sh" as root on Debian, or install it yourself`,
        { cause: error },
      )
    throw new Error(`${command} ${args.join(' ')}: ${stderr?.trim() || message}`, { cause: error })
  }
}

/** Runs a command of this program's own. */
export function ultracloud(args: readonly string[]): Promise<string> {
  return runTool(process.execPath, [program, ...args])
}

/** Waits until `probe` gives something; throws Error with the last reason when the deadline passes. */
export async function eventually<T>(
  what: string,
  seconds: number,
  probe: () => Promise<T | undefined>,
): Promise<T> {
  const deadline = performance.now() + seconds * 1000
  let why = ''
  while (performance.now() < deadline) {
    try {
      const found = await probe()
      if (found !== undefined) return found
    } catch (error) {
      why = `: ${error instanceof Error ? error.message : String(error)}`
    }
    await sleep(POLL_MS)
  }
  throw new Error(`${what} did not come within ${seconds} s${why}`)
}

/** A port of an address that nobody listens on. */
export async function freePort(host: string): Promise<number> {
  const server = createServer()
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject)
    server.listen(0, host, resolve)
  })
  const { port } = server.address() as { port: number }
  await new Promise((resolve) => server.close(resolve))
  return port
}

/** Runs a command; what it makes may be there already. */
export async function ensure(client: ApiClient, type: string, data: object): Promise<void> {
  try {
    await client.command({ type, data, commandId: newCommandId() })
  } catch (error) {
    if (!(error instanceof Rejection) || error.code !== 'ALREADY_EXISTS') throw error
  }
}

/** A node in a process of its own. */
export interface Cloud {
  readonly facts: NodeFacts
  /** The last lines it printed. */
  tail(): string
  /** Lets it go on without this process. */
  release(): void
  stop(): Promise<void>
}

/** Starts `ultracloud up` and waits until it is ready. Throws Error with what it printed when it is not. */
export async function startCloud(
  directory: string,
  config: string | undefined,
  images: string,
): Promise<Cloud> {
  const args = [program, 'up', '--data', directory, ...(config === undefined ? [] : ['--config', config])]
  const child: ChildProcess = spawn(process.execPath, args, {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...process.env, ULTRACLOUD_IMAGES: images },
    detached: true,
  })
  const lines: string[] = []
  const ended = new Promise<never>((_, reject) => {
    child.once('error', reject)
    child.once('close', () => reject(new Error(`the cloud has ended:\n${lines.join('\n')}`)))
  })
  ended.catch(() => undefined)
  const ready = new Promise<NodeFacts>((resolve) => {
    for (const stream of [child.stdout, child.stderr]) {
      if (stream === null) continue
      createInterface({ input: stream }).on('line', (line) => {
        lines.push(line)
        if (lines.length > 50) lines.shift()
        if (line.startsWith('ready ')) resolve(JSON.parse(line.slice(6)) as NodeFacts)
      })
    }
  })
  const limit = sleep(90_000, undefined, { ref: false }).then(() => {
    throw new Error(`the cloud is not ready after 90 s:\n${lines.join('\n')}`)
  })
  try {
    const facts = await Promise.race([ready, ended, limit])
    return {
      facts,
      tail: () => lines.join('\n'),
      release: () => {
        child.unref()
        for (const stream of [child.stdout, child.stderr]) stream?.destroy()
      },
      stop: () => stopChild(child),
    }
  } catch (error) {
    await stopChild(child)
    throw error
  }
}

async function stopChild(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null || child.pid === undefined) return
  const closed = new Promise((resolve) => child.once('close', resolve))
  child.kill('SIGTERM')
  const timer = setTimeout(() => child.kill('SIGKILL'), 20_000)
  await closed
  clearTimeout(timer)
}
