import { mkdir, readFile, rename, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { Rejection } from '../../domains/kernel/rejection.ts'
import type { Log } from '../../log/log.ts'
import type { FeedBatch } from './changes.ts'
import type { Calls } from './protocol.ts'
import { UnusableError, WorkerHandle } from './worker_handle.ts'

export interface RunnerOptions {
  readonly log: Log
  readonly directory: string
  /** The module that calls `serveProjections`. */
  readonly worker: URL
  readonly onFatal: (error: Error) => void
}

export interface FeedRequest {
  readonly projection: string
  readonly slice: string
  readonly fromRevision: number
  readonly history: string
}

/** A member's read side: follows the log in a worker, answers queries, and can be built anew beside the one that serves. */
export class Runner {
  readonly #options: RunnerOptions
  /** Why the rows were thrown away and made anew; undefined when they were sound. */
  readonly repaired: string | undefined
  /** The revision of the rows at the start: only what came after was replayed. */
  readonly resumedRevision: number
  #live: WorkerHandle
  #generation: number
  #rebuilding: Promise<void> | undefined
  readonly #waiters = new Set<() => void>()

  static async open(options: RunnerOptions): Promise<Runner> {
    await mkdir(options.directory, { recursive: true })
    const generation = await readFile(join(options.directory, 'current'), 'utf8').then(Number, () => 1)
    let wake: () => void = () => undefined
    const openGeneration = async (number: number): Promise<WorkerHandle> => {
      await mkdir(join(options.directory, String(number)), { recursive: true })
      return WorkerHandle.open(
        options.worker,
        pathOf(options.directory, number),
        () => wake(),
        options.onFatal,
      )
    }
    let runner: Runner
    try {
      runner = new Runner(options, await openGeneration(generation), generation, undefined)
    } catch (error) {
      if (!(error instanceof UnusableError)) throw error
      await rm(join(options.directory, String(generation)), { recursive: true, force: true })
      runner = new Runner(options, await openGeneration(generation + 1), generation + 1, error.message)
    }
    wake = () => runner.#wake()
    await runner.#point()
    runner.#live.follow(options.log)
    return runner
  }

  private constructor(
    options: RunnerOptions,
    live: WorkerHandle,
    generation: number,
    repaired: string | undefined,
  ) {
    this.#options = options
    this.#live = live
    this.#generation = generation
    this.repaired = repaired
    this.resumedRevision = live.progress.checkpoint.revision
  }

  /** The last revision that reads show. */
  get revision(): number {
    return this.#live.progress.checkpoint.revision
  }

  get history(): string {
    return this.#live.progress.checkpoint.history
  }

  /** Projections that choked on an entry, with the reason. */
  get quarantined(): Readonly<Record<string, string>> {
    return this.#live.progress.quarantined
  }

  get rebuilding(): boolean {
    return this.#rebuilding !== undefined
  }

  call<M extends keyof Calls>(method: M, ask: Calls[M]['ask']): Promise<Calls[M]['answer']> {
    return this.#live.call(method, ask)
  }

  /** Resolves once reads show the revision. Rejects with TIMEOUT. */
  async whenProjected(revision: number, timeoutMilliseconds: number): Promise<void> {
    const deadline = performance.now() + timeoutMilliseconds
    while (this.revision < revision) {
      if (!(await this.#changed(deadline))) {
        throw new Rejection(
          'TIMEOUT',
          `reads did not show revision ${revision} within ${timeoutMilliseconds} ms: they show ${this.revision}`,
        )
      }
    }
  }

  /** The batches of a feed: a snapshot where it is needed, then changes as they come, one at a time, until the signal aborts. */
  async *feed(request: FeedRequest, signal: AbortSignal): AsyncGenerator<FeedBatch> {
    let { fromRevision, history } = request
    let first = true
    while (!signal.aborted) {
      const { checkpoint, changed } = this.#live.progress
      const pending =
        checkpoint.history !== history ||
        fromRevision === 0 ||
        (changed[request.projection] ?? 0) > fromRevision
      if (!pending && !first) {
        if (checkpoint.revision > fromRevision) {
          fromRevision = checkpoint.revision
          yield { history, revision: fromRevision, reset: false, more: false, changes: [] }
        } else await this.#changed(performance.now() + 5000, signal)
        continue
      }
      first = false
      let after: { key: string; revision: number } | undefined
      let batch: FeedBatch
      do {
        batch = await this.#live.call('feed', { ...request, fromRevision, history, after })
        const last = batch.changes.at(-1)
        after = last === undefined ? undefined : { key: last.key, revision: batch.revision }
        yield batch
      } while (batch.more && !signal.aborted)
      fromRevision = batch.revision
      history = batch.history
    }
  }

  /** Builds all rows anew from the log beside the ones that serve, then serves the new ones. */
  rebuild(): Promise<void> {
    this.#rebuilding ??= this.#rebuild().finally(() => {
      this.#rebuilding = undefined
    })
    return this.#rebuilding
  }

  async #rebuild(): Promise<void> {
    const { directory, log, worker, onFatal } = this.#options
    const generation = this.#generation + 1
    await rm(join(directory, String(generation)), { recursive: true, force: true })
    await mkdir(join(directory, String(generation)), { recursive: true })
    const next = await WorkerHandle.open(worker, pathOf(directory, generation), () => this.#wake(), onFatal)
    next.follow(log)
    while (next.progress.checkpoint.revision < this.revision) await this.#changed(performance.now() + 1000)
    const old = this.#live
    const oldGeneration = this.#generation
    this.#live = next
    this.#generation = generation
    await this.#point()
    await old.close()
    await rm(join(directory, String(oldGeneration)), { recursive: true, force: true })
  }

  async close(): Promise<void> {
    await this.#rebuilding
    await this.#live.close()
  }

  /** Names the generation that serves, atomically. */
  async #point(): Promise<void> {
    const path = join(this.#options.directory, 'current')
    await writeFile(`${path}.next`, String(this.#generation))
    await rename(`${path}.next`, path)
  }

  #wake(): void {
    for (const waiter of this.#waiters) waiter()
    this.#waiters.clear()
  }

  /** Resolves with true at the next progress, with false at the deadline or when the signal aborts. */
  #changed(deadline: number, signal?: AbortSignal): Promise<boolean> {
    return new Promise((resolve) => {
      const finish = (changed: boolean): void => {
        clearTimeout(timer)
        signal?.removeEventListener('abort', onAbort)
        this.#waiters.delete(onChange)
        resolve(changed)
      }
      const onChange = (): void => finish(true)
      const onAbort = (): void => finish(false)
      const timer = setTimeout(onAbort, Math.max(0, deadline - performance.now()))
      signal?.addEventListener('abort', onAbort, { once: true })
      this.#waiters.add(onChange)
    })
  }
}

function pathOf(directory: string, generation: number): string {
  return join(directory, String(generation), 'projections.sqlite')
}
