import { type ChildProcess, spawn } from 'node:child_process'
import { createInterface } from 'node:readline'

const DETACH_TIMEOUT_MS = 5_000
/** What makes data durable; a write to a file opened with O_DSYNC is a pwrite64 or pwritev. */
const SYNCS = 'fsync,fdatasync,sync_file_range,msync'
const WRITES = 'pwrite64,pwritev,pwritev2'

/**
 * A disk that is slow for one process: strace holds up each of its syncs, and of its positioned writes, for some milliseconds. All other
 * system calls of the process are a little slower meanwhile.
 */
export class SlowDisk {
  /** Calls that were held up so far. */
  delayed = 0
  readonly #strace: ChildProcess
  readonly #ended: Promise<void>
  #refusal: string | undefined

  constructor(pid: number, milliseconds: number) {
    const calls = `${SYNCS},${WRITES}`
    const delay = `${SYNCS},${WRITES}:delay_enter=${milliseconds}ms`
    this.#strace = spawn(
      'strace',
      ['-f', '-qq', '-p', String(pid), '-e', `trace=${calls}`, '-e', `inject=${delay}`],
      {
        stdio: ['ignore', 'ignore', 'pipe'],
      },
    )
    this.#ended = new Promise((resolve, reject) => {
      this.#strace.once('error', reject)
      this.#strace.once('close', () => resolve())
    })
    this.#ended.catch(() => undefined)
    const { stderr } = this.#strace
    if (stderr === null) return
    createInterface({ input: stderr }).on('line', (line) => {
      if (line.includes('(DELAYED)')) this.delayed += 1
      else if (line.startsWith('strace: ') && this.delayed === 0) this.#refusal ??= line
    })
  }

  /** Lets the process go on at its own speed. Rejects when strace could not be run. */
  async end(): Promise<void> {
    this.#strace.kill('SIGINT')
    const timer = setTimeout(() => this.#strace.kill('SIGKILL'), DETACH_TIMEOUT_MS)
    await this.#ended.finally(() => clearTimeout(timer))
  }

  /** Why strace did nothing; undefined when it did. */
  get refused(): string | undefined {
    return this.#refusal
  }
}
