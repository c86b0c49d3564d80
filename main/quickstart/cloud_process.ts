import { type ChildProcess, spawn } from 'node:child_process'
import { closeSync, openSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { setTimeout as sleep } from 'node:timers/promises'
import type { NodeFacts } from '../up.ts'

const READY_MS = 90_000
const STOP_MS = 20_000
const POLL_MS = 50
const TAIL_LINES = 20
const program = new URL('../ultracloud.ts', import.meta.url).pathname

export interface CloudProcessOptions {
  readonly directory: string
  readonly config: string | undefined
  readonly images: string
  /** The file that takes what it prints; an earlier one is overwritten. */
  readonly log: string
  /** Undefined when it may go on when this process has ended; otherwise it ends with it, however that ends, and then removes this directory. */
  readonly throwAway: string | undefined
}

/** `ultracloud up` as a process of its own. */
export class CloudProcess {
  readonly #child: ChildProcess
  readonly #closed: Promise<void>
  readonly #log: string
  /** Rejects with what it printed when it ends before it is ready, or takes longer than 90 s. */
  readonly ready: Promise<NodeFacts>

  constructor({ directory, config, images, log, throwAway }: CloudProcessOptions) {
    const args = [program, 'up', '--data', directory, ...(config === undefined ? [] : ['--config', config])]
    const mayStay = throwAway === undefined
    if (throwAway !== undefined) args.push('--throw-away', throwAway)
    const output = openSync(log, 'w')
    // A process group of its own: an interrupt from the terminal is for this process, which ends the cloud in order.
    this.#child = spawn(process.execPath, args, {
      stdio: [mayStay ? 'ignore' : 'pipe', output, output],
      env: {
        ...process.env,
        ULTRACLOUD_IMAGES: images,
        ...(mayStay ? {} : { ULTRACLOUD_SUPERVISED: '1' }),
      },
      detached: true,
    })
    closeSync(output)
    this.#log = log
    this.#closed = new Promise((resolve) => {
      this.#child.once('close', () => resolve())
      this.#child.once('error', () => resolve())
    })
    this.ready = this.#untilReady()
    this.ready.catch(() => undefined)
  }

  get #ended(): boolean {
    const { exitCode, signalCode, pid } = this.#child
    return exitCode !== null || signalCode !== null || pid === undefined
  }

  async #untilReady(): Promise<NodeFacts> {
    const deadline = performance.now() + READY_MS
    for (;;) {
      const ended = this.#ended
      const whole = (await readFile(this.#log, 'utf8')).split('\n').slice(0, -1)
      const line = whole.find((each) => each.startsWith('ready '))
      if (line !== undefined) return JSON.parse(line.slice(6)) as NodeFacts
      if (ended) throw new Error(`the cloud did not start:\n${whole.slice(-TAIL_LINES).join('\n')}`)
      if (performance.now() > deadline)
        throw new Error(
          `the cloud is not ready after ${READY_MS / 1000} s:\n${whole.slice(-TAIL_LINES).join('\n')}`,
        )
      await sleep(POLL_MS)
    }
  }

  /** Lets it go on without this process. */
  release(): void {
    this.#child.unref()
  }

  /** Ends it, in order where it does so within 20 s. Resolves once it has ended. */
  async stop(): Promise<void> {
    if (this.#ended) return
    this.#child.kill('SIGTERM')
    const timer = setTimeout(() => this.#child.kill('SIGKILL'), STOP_MS)
    await this.#closed
    clearTimeout(timer)
  }
}
