import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { readdir, readFile, readlink } from 'node:fs/promises'
import { join } from 'node:path'
import { createInterface } from 'node:readline'

/** open(2), as /proc/PID/fdinfo shows it. */
const O_DSYNC = 0o10000
const ATTACH_TIMEOUT_MS = 10_000

/**
 * What makes data durable in a process is held up, each time for so long: its syncs, and its writes to files that are synced by every
 * write. Done with strace (ptrace), which slows every system call of the process a little: a run to compare with has it attached
 * with a delay of 0.
 */
export class StalledDisk implements AsyncDisposable {
  readonly #child: ChildProcess
  #delayed = 0

  private constructor(child: ChildProcess, lines: AsyncIterable<string>) {
    this.#child = child
    void this.#count(lines)
  }

  /** Rejects when strace is not installed, or may not trace. */
  static async of(pid: number, delayMilliseconds: number, signal: AbortSignal): Promise<StalledDisk> {
    const synced = await filesSyncedByWrites(pid)
    const calls =
      synced.length === 0 ? 'fsync,fdatasync' : 'fsync,fdatasync,pwrite64,pwritev,pwritev2,write,writev'
    const inject = delayMilliseconds === 0 ? [] : [`--inject=${calls}:delay_enter=${delayMilliseconds}ms`]
    const child = spawn(
      'strace',
      [
        ['--follow-forks', `--attach=${pid}`, `--trace=${calls}`, '--string-limit=0'],
        synced.map((path) => `--trace-path=${path}`),
        inject,
      ].flat(),
      { stdio: ['ignore', 'ignore', 'pipe'], signal },
    )
    const lines = createInterface({ input: child.stderr })
    const attached = Promise.withResolvers<void>()
    lines.on('line', (line) => line.includes('attached') && attached.resolve())
    child.once('error', attached.reject)
    child.once('close', (code) => attached.reject(new Error(`strace ended with ${code}`)))
    const timer = setTimeout(() => attached.reject(new Error('strace did not attach')), ATTACH_TIMEOUT_MS)
    await attached.promise.finally(() => clearTimeout(timer))
    return new StalledDisk(child, lines)
  }

  /** Calls that were seen, each of which was held up. */
  get delayed(): number {
    return this.#delayed
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return
    const ended = once(this.#child, 'close')
    this.#child.kill('SIGINT')
    await ended
  }

  async #count(lines: AsyncIterable<string>): Promise<void> {
    for await (const line of lines) if (/(sync|writev?|write64|writev2)\(/.test(line)) this.#delayed += 1
  }
}

async function filesSyncedByWrites(pid: number): Promise<readonly string[]> {
  const found = new Set<string>()
  for (const fd of await readdir(`/proc/${pid}/fd`)) {
    const info = await readFile(`/proc/${pid}/fdinfo/${fd}`, 'utf8').catch(() => '')
    const [, flags = '0'] = /^flags:\s+(\d+)$/m.exec(info) ?? []
    if ((Number.parseInt(flags, 8) & O_DSYNC) === 0) continue
    found.add(await readlink(join('/proc', String(pid), 'fd', fd)))
  }
  return [...found]
}
