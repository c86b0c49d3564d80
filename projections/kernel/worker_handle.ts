import { Worker } from 'node:worker_threads'
import { type Origin, OriginCheck, OtherLogError } from '../../domains/kernel/origin.ts'
import { type Code, Rejection } from '../../domains/kernel/rejection.ts'
import type { Entry, Log } from '../../log/log.ts'
import { packEntries } from './packed_entries.ts'
import type { Calls, FromWorker, Progress, ToWorker } from './protocol.ts'

const CALLS_MAX = 10_000
/** Batches that are on their way: the worker has the next one before it is done with this one. */
const BATCHES_MAX = 2
/** For what is new: rows that wait to be written, and what was read of them, are then mostly gone before a collection copies them. */
const YOUNG_GENERATION_MIB = 96

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
  /** Batches that the worker has, and who waits for there to be fewer. */
  #batches = 0
  readonly #waiting = new Set<() => void>()
  #progress: Progress
  #followed: number
  #isLoaded = false
  #isPaused = false
  #unfollow: () => void = () => undefined
  #listener: WorkerListener | undefined
  #failure: Error | undefined
  #state: 'running' | 'closing' | 'ended' = 'running'
  readonly #ended = Promise.withResolvers<void>()

  /** Starts a worker from a module that calls `serveProjections`. Rejects with UnusableError when the file cannot serve. */
  static open(module: URL, path: string, log: Log): Promise<WorkerHandle> {
    const worker = new Worker(module, {
      workerData: { path },
      resourceLimits: { maxYoungGenerationSizeMb: YOUNG_GENERATION_MIB },
    })
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
          resolve(new WorkerHandle(log, worker, message.origin, message.progress))
        } catch (error) {
          const why = error instanceof OtherLogError ? new UnusableError(error.message) : (error as Error)
          worker.terminate().then(() => reject(why), reject)
        }
      })
    })
  }

  private constructor(log: Log, worker: Worker, origin: Origin, progress: Progress) {
    const { checkpoint } = progress
    this.#followed = checkpoint.revision
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

  /** It has everything that was committed when it began to follow. */
  get isLoaded(): boolean {
    return this.#isLoaded
  }

  /** Why nothing more is applied; undefined while all is well. */
  get failure(): Error | undefined {
    return this.#failure
  }

  /** Follows the log from the checkpoint on. `isFresh`: nobody reads the file before it has all that is committed now. */
  follow(listener: WorkerListener, isFresh: boolean): void {
    this.#listener = listener
    if (this.#failure !== undefined) {
      listener.onFailure(this.#failure)
      return
    }
    this.#send({ type: 'load', goal: this.#log.status().commitIndex, isFresh })
    this.#goOn()
  }

  /** Applies no more; resolves once what it was given is applied, or never will be. */
  async pause(): Promise<void> {
    this.#isPaused = true
    this.#unfollow()
    while (this.#batches > 0 && this.#state === 'running' && this.#failure === undefined)
      await this.#batchApplied()
  }

  /** Goes on where it was paused. */
  resume(): void {
    if (this.#isPaused && this.#failure === undefined && this.#state === 'running') this.#goOn()
  }

  #goOn(): void {
    this.#isPaused = false
    const from = this.#check.done ? this.#followed + 1 : this.#check.from
    this.#unfollow = this.#log.follow(from, async (delivered) => {
      const entries = this.#later(delivered)
      const last = entries.at(-1)
      if (last === undefined) return
      this.#followed = last.index
      this.#apply(entries)
      if (this.#batches >= BATCHES_MAX) await this.#batchApplied()
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
    this.#release()
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

  #apply(entries: readonly Entry[]): void {
    const packed = packEntries(entries)
    this.#batches += 1
    this.#send({ type: 'apply', entries: packed }, [packed])
  }

  /** Resolves when the worker is done with a batch, or with everything. */
  #batchApplied(): Promise<void> {
    return new Promise((resolve) => this.#waiting.add(resolve))
  }

  #release(): void {
    for (const resolve of this.#waiting) resolve()
    this.#waiting.clear()
  }

  #send(message: ToWorker, transfer: readonly ArrayBuffer[] = []): void {
    this.#worker.postMessage(message, transfer)
  }

  #receive(message: FromWorker): void {
    switch (message.type) {
      case 'applied':
        this.#progress = advanced(this.#progress, message)
        this.#batches -= 1
        this.#release()
        this.#listener?.onProgress()
        break
      case 'failed': {
        const { revision } = this.#progress.checkpoint
        const why = `the projections stopped after revision ${revision}: ${message.why}`
        this.#fail(message.damaged ? new UnusableError(why) : new Error(why))
        break
      }
      case 'loaded':
        this.#isLoaded = true
        this.#listener?.onProgress()
        break
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
    this.#release()
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

function advanced(
  before: Progress,
  { checkpoint, changed, quarantined }: Extract<FromWorker, { type: 'applied' }>,
): Progress {
  const now = changed.map((name) => [name, checkpoint.revision] as const)
  return {
    checkpoint,
    changed: now.length === 0 ? before.changed : { ...before.changed, ...Object.fromEntries(now) },
    quarantined: quarantined ?? before.quarantined,
  }
}
