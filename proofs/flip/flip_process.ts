import { type ChildProcess, fork } from 'node:child_process'
import type { Flipped } from './flip.ts'
import type { Done, Task } from './worker.ts'

const ERROR_CHARACTERS_MAX = 4096

/** Tries flips in a process of its own, which LevelDB may abort: a failed assertion is no exception. */
export class FlipProcess {
  #child: ChildProcess | undefined
  #error = ''
  #cpu = 0
  #cpuBefore = 0

  /** Microseconds of all its processes. */
  get cpu(): number {
    return this.#cpuBefore + this.#cpu
  }

  async try(task: Task): Promise<Flipped> {
    this.#child ??= this.#start()
    const child = this.#child
    const { promise, resolve } = Promise.withResolvers<Flipped>()
    const onMessage = ({ flipped, cpu }: Done): void => {
      this.#cpu = cpu
      resolve(flipped)
    }
    const onClose = (code: number | null, signal: string | null): void => {
      this.#child = undefined
      this.#cpuBefore += this.#cpu
      this.#cpu = 0
      const text = `the process ended with ${signal ?? code}: ${this.#error.trim().split('\n').at(-1) ?? ''}`
      resolve({ ...task.flip, outcome: signal === 'SIGABRT' ? 'aborted' : undefined, text })
    }
    child.once('message', onMessage)
    child.once('close', onClose)
    child.send(task)
    const flipped = await promise
    child.off('message', onMessage)
    child.off('close', onClose)
    return flipped
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
