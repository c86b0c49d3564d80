import { type ChildProcess, spawn } from 'node:child_process'
import { createInterface } from 'node:readline'

const RESTART_MIN_MS = 200
const RESTART_MAX_MS = 10_000
/** A process that ran for so long was well: the next restart is quick again. */
const WELL_MS = 30_000

export interface SupervisedOptions {
  readonly name: string
  readonly arguments: readonly string[]
  readonly log: (line: string) => void
}

/** Keeps one process of this program running: starts it again when it ends, later and later while it keeps ending. */
export class Supervised {
  readonly #options: SupervisedOptions
  readonly ready: Promise<string>
  #child: ChildProcess | undefined
  #stopping = false
  #delay = RESTART_MIN_MS
  #timer: NodeJS.Timeout | undefined
  #resolveReady: (line: string) => void

  constructor(options: SupervisedOptions) {
    this.#options = options
    const { promise, resolve } = Promise.withResolvers<string>()
    this.ready = promise
    this.#resolveReady = resolve
    this.#start()
  }

  get pid(): number | undefined {
    return this.#child?.pid
  }

  #start(): void {
    const started = performance.now()
    const { name, log } = this.#options
    const child = spawn(process.execPath, [...this.#options.arguments], { stdio: ['pipe', 'pipe', 'pipe'] })
    this.#child = child
    createInterface({ input: child.stdout }).on('line', (line) => {
      if (line.startsWith('ready ')) this.#resolveReady(line.slice(6))
      else log(`${name}: ${line}`)
    })
    createInterface({ input: child.stderr }).on('line', (line) => log(`${name}: ${line}`))
    child.on('error', (error) => log(`${name}: ${error.message}`))
    child.on('close', (code, signal) => {
      this.#child = undefined
      if (this.#stopping) return
      if (performance.now() - started > WELL_MS) this.#delay = RESTART_MIN_MS
      log(`${name} ended with ${signal ?? code}; it is started again in ${this.#delay} ms`)
      this.#timer = setTimeout(() => this.#start(), this.#delay)
      this.#delay = Math.min(this.#delay * 2, RESTART_MAX_MS)
    })
  }

  /** Ends it: with SIGTERM, and after the grace with SIGKILL. Resolves once it has ended. */
  async stop(graceMilliseconds: number): Promise<void> {
    this.#stopping = true
    clearTimeout(this.#timer)
    const child = this.#child
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return
    const ended = new Promise((resolve) => child.once('close', resolve))
    const timer = setTimeout(() => child.kill('SIGKILL'), graceMilliseconds)
    child.kill('SIGTERM')
    await ended
    clearTimeout(timer)
  }
}

/** For a supervised process: resolves when it is told to end, or when its supervisor is gone. */
export function whenToldToEnd(supervised: boolean): Promise<void> {
  return new Promise((resolve) => {
    const end = (): void => {
      if (supervised) process.stdin.destroy()
      resolve()
    }
    process.once('SIGTERM', end)
    process.once('SIGINT', end)
    if (!supervised) return
    process.stdin.on('end', end)
    process.stdin.on('close', end)
    process.stdin.resume()
  })
}
