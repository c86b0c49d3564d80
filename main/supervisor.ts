import { type ChildProcess, spawn } from 'node:child_process'
import { Socket } from 'node:net'
import { createInterface } from 'node:readline'

const RESTART_MIN_MS = 200
const RESTART_MAX_MS = 10_000
/** One that has ended so often before it was ever ready will not be. */
const STARTS_MAX = 5
/** A process that ran for so long was well: the next restart is quick again. */
const WELL_MS = 30_000

export interface SupervisedOptions {
  readonly name: string
  readonly arguments: readonly string[]
  readonly log: (line: string) => void
}

/**
 * Keeps one process of this program running: starts it again when it ends, later and later while it keeps ending. One that
 * was never ready is given up after five starts.
 */
export class Supervised {
  readonly #options: SupervisedOptions
  /** What it says when it is ready for the first time. Rejects when it is stopped before that, or given up. */
  readonly ready: Promise<string>
  #child: ChildProcess | undefined
  #stopping = false
  #delay = RESTART_MIN_MS
  #timer: NodeJS.Timeout | undefined
  #starts = 0
  #wasReady = false
  #lastLine = ''
  readonly #readiness = Promise.withResolvers<string>()

  constructor(options: SupervisedOptions) {
    this.#options = options
    this.ready = this.#readiness.promise
    this.ready.catch(() => undefined)
    this.#start()
  }

  get pid(): number | undefined {
    return this.#child?.pid
  }

  #start(): void {
    const started = performance.now()
    const { name, log } = this.#options
    this.#starts += 1
    const child = spawn(process.execPath, [...this.#options.arguments], { stdio: ['pipe', 'pipe', 'pipe'] })
    this.#child = child
    createInterface({ input: child.stdout }).on('line', (line) => {
      if (!line.startsWith('ready ')) return log(`${name}: ${line}`)
      this.#wasReady = true
      this.#readiness.resolve(line.slice(6))
    })
    createInterface({ input: child.stderr }).on('line', (line) => {
      this.#lastLine = line
      log(`${name}: ${line}`)
    })
    child.once('error', (error) => {
      if (child.pid === undefined) this.#ended(error.message, started)
      else log(`${name}: ${error.message}`)
    })
    child.once('exit', (code, signal) => {
      for (const stream of [child.stdout, child.stderr]) if (stream instanceof Socket) stream.unref()
      this.#ended(String(signal ?? code), started)
    })
  }

  /** Its output may be open still, and must keep nobody up: what it has started may hold it. */
  #ended(how: string, started: number): void {
    const { name, log } = this.#options
    this.#child = undefined
    if (this.#stopping) return
    if (!this.#wasReady && this.#starts >= STARTS_MAX) {
      const why = this.#lastLine.replace(/^error: /, '') || `it ended with ${how}`
      this.#readiness.reject(new Error(`what has the role ${name} does not start: ${why}`))
      return
    }
    if (performance.now() - started > WELL_MS) this.#delay = RESTART_MIN_MS
    log(`${name} ended with ${how}; it is started again in ${this.#delay} ms`)
    this.#timer = setTimeout(() => this.#start(), this.#delay)
    this.#delay = Math.min(this.#delay * 2, RESTART_MAX_MS)
  }

  /** Ends it: with SIGTERM, and after the grace with SIGKILL. Resolves once it has ended. */
  async stop(graceMilliseconds: number): Promise<void> {
    this.#stopping = true
    clearTimeout(this.#timer)
    this.#readiness.reject(new Error(`${this.#options.name} was stopped before it was ready`))
    const child = this.#child
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return
    const ended = new Promise((resolve) => child.once('exit', resolve))
    const timer = setTimeout(() => child.kill('SIGKILL'), graceMilliseconds)
    child.kill('SIGTERM')
    await ended
    clearTimeout(timer)
  }
}

/** For a supervised process: resolves when it is told to end, or when its supervisor is gone, with which of both. */
export function whenToldToEnd(supervised: boolean): Promise<'told' | 'orphaned'> {
  return new Promise((resolve) => {
    const end = (why: 'told' | 'orphaned') => (): void => {
      resolve(why)
      if (supervised) process.stdin.destroy()
    }
    process.once('SIGTERM', end('told'))
    process.once('SIGINT', end('told'))
    if (!supervised) return
    process.stdin.on('end', end('orphaned'))
    process.stdin.on('close', end('orphaned'))
    process.stdin.resume()
  })
}
