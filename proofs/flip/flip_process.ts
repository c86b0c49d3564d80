import { type ChildProcess, fork } from 'node:child_process'
import type { Flipped } from './flip.ts'
import type { Done, Task } from './worker.ts'

const ERROR_CHARACTERS_MAX = 4096
/** So often a supervisor starts a process again that LevelDB has aborted, until its files are verified (decision 11). */
const STARTS_MAX = 3

interface Tried extends Flipped {
  readonly isAborted: boolean
}

/** Tries flips in a process of its own, which LevelDB may abort: a failed assertion is no exception. Then it is started again. */
export class FlipProcess {
  #child: ChildProcess | undefined
  #error = ''
  #cpu = 0
  #cpuBefore = 0

  /** Microseconds of all its processes. */
  get cpu(): number {
    return this.#cpuBefore + this.#cpu
  }

  async try(task: Omit<Task, 'again'>): Promise<Flipped> {
    let ended = ''
    for (let start = 1; ; start += 1) {
      const { isAborted, ...flipped } = await this.#once({ ...task, again: start > 1 })
      if (isAborted && start < STARTS_MAX) {
        ended ||= flipped.text
        continue
      }
      if (ended === '' || flipped.outcome === undefined) return flipped
      const text = `${flipped.text} (start ${start}; of the first, ${ended})`
      return { ...flipped, outcome: flipped.outcome === 'harmless' ? undefined : flipped.outcome, text }
    }
  }

  async #once(task: Task): Promise<Tried> {
    this.#child ??= this.#start()
    const child = this.#child
    const { promise, resolve } = Promise.withResolvers<Tried>()
    const onMessage = ({ flipped, cpu }: Done): void => {
      this.#cpu = cpu
      resolve({ ...flipped, isAborted: false })
    }
    const onClose = (code: number | null, signal: string | null): void => {
      this.#child = undefined
      this.#cpuBefore += this.#cpu
      this.#cpu = 0
      const text = `the process ended with ${signal ?? code}: ${this.#error.trim().split('\n').at(-1) ?? ''}`
      resolve({ ...task.flip, outcome: undefined, text, isAborted: signal === 'SIGABRT' })
    }
    child.once('message', onMessage)
    child.once('close', onClose)
    child.send(task)
    const tried = await promise
    child.off('message', onMessage)
    child.off('close', onClose)
    return tried
  }

  async close(): Promise<void> {
    const child = this.#child
    if (child === undefined) return
    const closed = new Promise((resolve) => child.once('close', resolve))
    child.kill('SIGKILL')
    await closed
  }

  #start(): ChildProcess {
    const child = fork(new URL('./worker.ts', import.meta.url), {
      stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
      serialization: 'advanced',
    })
    this.#error = ''
    child.stderr?.on('data', (chunk: Buffer) => {
      this.#error = (this.#error + chunk.toString()).slice(-ERROR_CHARACTERS_MAX)
    })
    return child
  }
}
