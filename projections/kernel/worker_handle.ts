import { Worker } from 'node:worker_threads'
import { type Code, Rejection } from '../../domains/kernel/rejection.ts'
import type { Entry, Log } from '../../log/log.ts'
import type { Calls, FromWorker, Progress, ToWorker } from './protocol.ts'

const CALLS_MAX = 10_000

/** Another file must be made: this one was made by another build, or is damaged. */
export class UnusableError extends Error {
  constructor(why: string) {
    super(why)
    this.name = 'UnusableError'
  }
}

/** The main thread's side of one projection worker. */
export class WorkerHandle {
  readonly #worker: Worker
  readonly #calls = new Map<number, { resolve: (answer: unknown) => void; reject: (error: Error) => void }>()
  readonly #onProgress: () => void
  readonly #onFatal: (error: Error) => void
  #next = 1
  #applied: (() => void) | undefined
  #progress: Progress
  #indexed = false
  #unfollow: () => void = () => undefined
  #closing: (() => void) | undefined

  /** Starts a worker from a module that calls `serveProjections`. Rejects with UnusableError when the file cannot serve. */
  static open(
    entry: URL,
    path: string,
    onProgress: () => void,
    onFatal: (error: Error) => void,
  ): Promise<WorkerHandle> {
    const worker = new Worker(entry, { workerData: { path } })
    return new Promise((resolve, reject) => {
      worker.once('error', reject)
      worker.once('message', (message: FromWorker) => {
        worker.off('error', reject)
        if (message.type === 'opened') resolve(new WorkerHandle(worker, message, onProgress, onFatal))
        else
          reject(new UnusableError(message.type === 'unusable' ? message.why : `unexpected ${message.type}`))
      })
    })
  }

  private constructor(
    worker: Worker,
    progress: Progress,
    onProgress: () => void,
    onFatal: (error: Error) => void,
  ) {
    this.#worker = worker
    this.#progress = progress
    this.#onProgress = onProgress
    this.#onFatal = onFatal
    worker.on('error', onFatal)
    worker.on('message', (message: FromWorker) => this.#receive(message))
  }

  get progress(): Progress {
    return this.#progress
  }

  /** Follows the log from the checkpoint on, one batch at a time. */
  follow(log: Log): void {
    const goal = log.status().commitIndex
    this.#unfollow = log.follow(this.#progress.checkpoint.revision + 1, async (entries) => {
      await this.#apply(entries)
      if (this.#indexed || this.#progress.checkpoint.revision < goal) return
      this.#send({ type: 'create_indexes' })
      this.#indexed = true
    })
  }

  call<M extends keyof Calls>(method: M, ask: Calls[M]['ask']): Promise<Calls[M]['answer']> {
    if (this.#calls.size >= CALLS_MAX)
      return Promise.reject(new Rejection('OVERLOADED', 'too many reads are waiting: try again later'))
    const id = this.#next++
    return new Promise((resolve, reject) => {
      this.#calls.set(id, { resolve: resolve as (answer: unknown) => void, reject })
      this.#send({ type: 'call', id, method, ask })
    })
  }

  /** Stops following and closes the file. */
  async close(): Promise<void> {
    this.#unfollow()
    this.#applied?.()
    await new Promise<void>((resolve) => {
      this.#closing = resolve
      this.#send({ type: 'close' })
    })
    for (const { reject } of this.#calls.values())
      reject(new Rejection('UNAVAILABLE', 'this member is stopping'))
    this.#calls.clear()
    await this.#worker.terminate()
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
        this.#onProgress()
        break
      case 'failed':
        this.#unfollow()
        this.#onFatal(
          new Error(
            `the projections stopped after revision ${this.#progress.checkpoint.revision}: ${message.why}`,
          ),
        )
        break
      case 'answer':
        this.#calls.get(message.id)?.resolve(message.answer)
        this.#calls.delete(message.id)
        break
      case 'refusal':
        this.#calls
          .get(message.id)
          ?.reject(
            new Rejection(message.code as Code, message.message, message.details as Record<string, unknown>),
          )
        this.#calls.delete(message.id)
        break
      case 'closed':
        this.#closing?.()
        break
      case 'opened':
      case 'unusable':
        break
    }
  }
}
