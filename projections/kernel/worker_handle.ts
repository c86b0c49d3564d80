import { Worker } from 'node:worker_threads'
import { OriginCheck, OtherLogError } from '../../domains/kernel/origin.ts'
import { type Code, Rejection } from '../../domains/kernel/rejection.ts'
import type { Entry, Log } from '../../log/log.ts'
import type { Calls, FromWorker, Progress, ToWorker } from './protocol.ts'

const CALLS_MAX = 10_000

/** Another file must be made: this one was made by another build or of another log, or is damaged. */
export class UnusableError extends Error {
  constructor(why: string) {
    super(why)
    this.name = 'UnusableError'
  }
}

export interface WorkerListener {
  readonly onProgress: () => void
  /** Told once when nothing more is applied or answered: with UnusableError where another file would help. */
  readonly onFailure: (error: Error) => void
}

interface Call {
  readonly resolve: (answer: unknown) => void
  readonly reject: (error: Error) => void
}

/** The main thread's side of one projection worker. */
export class WorkerHandle {
  readonly #log: Log
  readonly #worker: Worker
  readonly #check: OriginCheck
  readonly #calls = new Map<number, Call>()
  /** The rows at the start; 0 for a file that was made anew. */
  readonly resumedRevision: number
  #next = 1
  #applied: (() => void) | undefined
  #progress: Progress
  #indexed = false
  #unfollow: () => void = () => undefined
  #listener: WorkerListener | undefined
  #failure: Error | undefined
  #state: 'running' | 'closing' | 'ended' = 'running'
  readonly #ended = Promise.withResolvers<void>()

  /** Starts a worker from a module that calls `serveProjections`. Rejects with UnusableError when the file cannot serve. */
  static open(module: URL, path: string, log: Log): Promise<WorkerHandle> {
    const worker = new Worker(module, { workerData: { path } })
    return new Promise((resolve, reject) => {
      const onExit = (code: number): void => reject(new Error(`the projections' worker ended with ${code}`))
      worker.once('error', reject)
      worker.once('exit', onExit)
      worker.once('message', (message: FromWorker) => {
        worker.off('error', reject)
        worker.off('exit', onExit)
        try {
          if (message.type !== 'opened')
            throw new UnusableError(message.type === 'unusable' ? message.why : `unexpected ${message.type}`)
          resolve(new WorkerHandle(log, worker, message))
        } catch (error) {
          const why = error instanceof OtherLogError ? new UnusableError(error.message) : (error as Error)
          worker.terminate().then(() => reject(why), reject)
        }
      })
    })
  }

  private constructor(log: Log, worker: Worker, progress: Progress) {
    const { checkpoint, origin } = progress
    this.#check = new OriginCheck(origin, checkpoint.revision, log.status().lastIndex)
    this.#log = log
    this.#worker = worker
    this.#progress = progress
    this.resumedRevision = checkpoint.revision
    worker.on('error', (error: unknown) => {
      const { message } = error as Error
      this.#fail(new Error(`the projections' worker failed: ${message}`, { cause: error }))
    })
    worker.on('exit', (code) => {
      if (this.#state === 'running') this.#fail(new Error(`the projections' worker ended with ${code}`))
      this.#state = 'ended'
      this.#ended.resolve()
    })
    worker.on('message', (message: FromWorker) => this.#receive(message))
  }

  get progress(): Progress {
    return this.#progress
  }

  /** Why nothing more is applied; undefined while all is well. */
  get failure(): Error | undefined {
    return this.#failure
  }

  /** Follows the log from the checkpoint on, one batch at a time. */
  follow(listener: WorkerListener): void {
    this.#listener = listener
    if (this.#failure !== undefined) {
      listener.onFailure(this.#failure)
      return
    }
    const goal = this.#log.status().commitIndex
    this.#unfollow = this.#log.follow(this.#check.from, async (delivered) => {
      const entries = this.#later(delivered)
      if (entries.length === 0) return
      await this.#apply(entries)
      if (this.#indexed || this.#failure !== undefined || this.#progress.checkpoint.revision < goal) return
      this.#send({ type: 'create_indexes' })
      this.#indexed = true
    })
  }

  /** Rejects with UNAVAILABLE once the worker fails or is closed. */
  call<M extends keyof Calls>(method: M, ask: Calls[M]['ask']): Promise<Calls[M]['answer']> {
    if (this.#state !== 'running' || this.#failure !== undefined) return Promise.reject(this.#unavailable())
    if (this.#calls.size >= CALLS_MAX)
      return Promise.reject(new Rejection('OVERLOADED', 'too many reads are waiting: try again later'))
    const id = this.#next++
    return new Promise((resolve, reject) => {
      this.#calls.set(id, { resolve, reject })
      this.#send({ type: 'call', id, method, ask })
    })
  }

  /** Stops following and closes the file. */
  async close(): Promise<void> {
    this.#unfollow()
    this.#applied?.()
    if (this.#state === 'running') {
      this.#state = 'closing'
      this.#send({ type: 'close' })
    }
    await this.#ended.promise
    this.#rejectCalls()
  }

  /** The entries that come after the rows. */
  #later(delivered: readonly Entry[]): readonly Entry[] {
    try {
      return this.#check.after(delivered)
    } catch (error) {
      if (!(error instanceof OtherLogError)) throw error
      this.#fail(new UnusableError(error.message))
      return []
    }
  }

  #apply(entries: readonly Entry[]): Promise<void> {
    const shipped = entries.map(({ index, kind, payload }) => ({
      revision: index,
      payload: kind === 'noop' ? null : payload,
    }))
    return new Promise((resolve) => {
      this.#applied = resolve
      this.#send({ type: 'apply', entries: shipped })
    })
  }

  #send(message: ToWorker): void {
    this.#worker.postMessage(message, [])
  }

  #receive(message: FromWorker): void {
    switch (message.type) {
      case 'applied':
        this.#progress = message
        this.#applied?.()
        this.#listener?.onProgress()
        break
      case 'failed': {
        const { revision } = this.#progress.checkpoint
        const why = `the projections stopped after revision ${revision}: ${message.why}`
        this.#fail(message.damaged ? new UnusableError(why) : new Error(why))
        break
      }
      case 'answer':
        this.#calls.get(message.id)?.resolve(message.answer)
        this.#calls.delete(message.id)
        break
      case 'refusal': {
        const { code, details } = message
        this.#calls
          .get(message.id)
          ?.reject(new Rejection(code as Code, message.message, details as Rejection['details']))
        this.#calls.delete(message.id)
        break
      }
      case 'closed':
        void this.#worker.terminate()
        break
      case 'opened':
      case 'unusable':
        break
    }
  }

  #fail(error: Error): void {
    this.#unfollow()
    this.#applied?.()
    if (this.#state === 'closing' || this.#failure !== undefined) return
    this.#failure = error
    this.#rejectCalls()
    this.#listener?.onFailure(error)
  }

  #rejectCalls(): void {
    for (const { reject } of this.#calls.values()) reject(this.#unavailable())
    this.#calls.clear()
  }

  #unavailable(): Rejection {
    const why = this.#failure === undefined ? 'they are being closed' : this.#failure.message
    return new Rejection('UNAVAILABLE', `the projections cannot answer: ${why}; try again`)
  }
}
