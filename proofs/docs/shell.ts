import { type ChildProcess, spawn } from 'node:child_process'
import { closeSync, openSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'

const COMMAND_MS = 90_000
const READY_MS = 60_000
const STOP_MS = 20_000
const POLL_MS = 50
const END = 'command-has-ended'

export interface Answer {
  readonly code: number
  /** Standard output and error, as a terminal shows them. */
  readonly output: string
}

/** The terminals of somebody who follows the documentation: one for commands, and one for each program that stays. */
export class Terminals {
  readonly #shell: ChildProcess
  readonly #directory: string
  readonly #env: NodeJS.ProcessEnv
  readonly #staying: { readonly command: string; readonly child: ChildProcess }[] = []
  #output = ''

  constructor(directory: string, env: NodeJS.ProcessEnv) {
    this.#directory = directory
    this.#env = env
    this.#shell = spawn('bash', ['--noprofile', '--norc'], {
      cwd: directory,
      env,
      stdio: ['pipe', 'pipe', 'inherit'],
    })
    this.#shell.stdout?.on('data', (chunk: Buffer) => {
      this.#output += chunk.toString()
    })
  }

  /** Types a command, and waits until it has ended. Throws Error when it takes longer than 90 s. */
  async run(command: string): Promise<Answer> {
    this.#output = ''
    this.#shell.stdin?.write(`{ ${command}\n} </dev/null 2>&1; printf '\\n%s %s\\n' ${END} $?\n`)
    const deadline = performance.now() + COMMAND_MS
    for (;;) {
      const end = new RegExp(`\\n${END} (\\d+)\\n$`).exec(this.#output)
      if (end !== null) return { code: Number(end[1]), output: this.#output.slice(0, end.index) }
      if (performance.now() > deadline) throw new Error(`${command} takes too long:\n${this.#output}`)
      await sleep(POLL_MS)
    }
  }

  /** Starts a program that stays, in a terminal of its own, and gives what it says once it is ready. */
  async stay(command: string): Promise<string> {
    const file = join(this.#directory, `terminal-${this.#staying.length}`)
    const output = openSync(file, 'w')
    const child = spawn('bash', ['-c', `exec ${command}`], {
      cwd: this.#directory,
      env: this.#env,
      stdio: ['ignore', output, output],
    })
    closeSync(output)
    this.#staying.push({ command, child })
    const deadline = performance.now() + READY_MS
    for (;;) {
      const text = await readFile(file, 'utf8')
      if (/^ready .*\n/m.test(text)) return text
      if (hasEnded(child) || performance.now() > deadline)
        throw new Error(`${command} does not get ready:\n${text}`)
      await sleep(POLL_MS)
    }
  }

  /** Whether every program that stays and whose command has this in it has ended by itself, within 20 s. */
  async haveEnded(part: string): Promise<boolean> {
    const deadline = performance.now() + STOP_MS
    const theirs = this.#staying.filter(({ command }) => command.includes(part))
    while (theirs.some(({ child }) => !hasEnded(child))) {
      if (performance.now() > deadline) return false
      await sleep(POLL_MS)
    }
    return theirs.length > 0
  }

  /** Presses Ctrl-C in the terminals of the programs that stay and whose commands have this in them. */
  async interrupt(part: string): Promise<void> {
    const running = this.#staying.filter(({ command, child }) => command.includes(part) && !hasEnded(child))
    await Promise.all(
      running.map(async ({ child }) => {
        const closed = new Promise((resolve) => child.once('close', resolve))
        child.kill('SIGINT')
        const timer = setTimeout(() => child.kill('SIGKILL'), STOP_MS)
        await closed
        clearTimeout(timer)
      }),
    )
  }

  async close(): Promise<void> {
    await this.interrupt('')
    const closed = new Promise((resolve) => this.#shell.once('close', resolve))
    this.#shell.kill('SIGKILL')
    await closed
  }
}

function hasEnded({ exitCode, signalCode }: ChildProcess): boolean {
  return exitCode !== null || signalCode !== null
}
