import { mkdir, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises'
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
  #live: WorkerHandle
  #generation: number
  #repaired: string | undefined
  #resumedRevision: number
  #rebuilding: Promise<void> | undefined
  #closing = false
  readonly #waiters = new Set<() => void>()

  static async open(options: RunnerOptions): Promise<Runner> {
    const { directory, worker, log } = options
    await mkdir(directory, { recursive: true })
    let generation = await currentGeneration(directory)
    await removeOthers(directory, generation)
    let live: WorkerHandle
    let repaired: string | undefined
    try {
      live = await WorkerHandle.open(worker, await pathOf(directory, generation), log)
    } catch (error) {
      if (!(error instanceof UnusableError)) throw error
      repaired = error.message
      generation++
      live = await WorkerHandle.open(worker, await pathOf(directory, generation), log)
    }
    const runner = new Runner(options, live, generation, repaired)
    try {
      await runner.#point(generation)
      await removeOthers(directory, generation)
    } catch (error) {
      await live.close()
      throw error
    }
    runner.#follow(live)
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
    this.#repaired = repaired
    this.#resumedRevision = live.resumedRevision
  }

  /** Why the rows were thrown away and made anew; undefined when they were sound. */
  get repaired(): string | undefined {
    return this.#repaired
  }

  /** The revision of the rows at the start: only what came after was replayed. */
  get resumedRevision(): number {
    return this.#resumedRevision
  }

  /** The last revision that reads show; 0 while rows that turned out to be damaged are made anew. */
  get revision(): number {
    return this.#live.failure === undefined ? this.#live.progress.checkpoint.revision : 0
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
      this.#checkOpen()
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
      this.#checkOpen()
      const { checkpoint, changed, quarantined } = this.#live.progress
      const pending =
        checkpoint.history !== history ||
        fromRevision === 0 ||
        quarantined[request.projection] !== undefined ||
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

  /**
   * Builds all rows anew from the log beside the ones that serve, then serves the new ones. When that fails it rejects, and the old
   * ones go on serving.
   */
  rebuild(): Promise<void> {
    this.#rebuilding ??= this.#rebuild().finally(() => {
      this.#rebuilding = undefined
    })
    return this.#rebuilding
  }

  async #rebuild(): Promise<void> {
    const { directory, worker, log } = this.#options
    const generation = this.#generation + 1
    await removeOthers(directory, this.#generation)
    const next = await WorkerHandle.open(worker, await pathOf(directory, generation), log)
    try {
      this.#follow(next)
      await this.#catchUp(next)
      await this.#point(generation)
      await this.#catchUp(next)
    } catch (error) {
      await next.close()
      if (this.#live.failure === undefined) await this.#point(this.#generation)
      await removeOthers(directory, this.#generation)
      throw error
    }
    const old = this.#live
    this.#live = next
    this.#generation = generation
    this.#wake()
    await old.close()
    await removeOthers(directory, generation)
  }

  /** Resolves once a worker shows what the one that serves does; where that has failed, all that is committed. Rejects when it fails, and when this runner is closed. */
  async #catchUp(next: WorkerHandle): Promise<void> {
    const { log } = this.#options
    const goal = (): number => (this.#live.failure === undefined ? this.revision : log.status().commitIndex)
    while (next.progress.checkpoint.revision < goal()) {
      this.#checkOpen()
      if (next.failure !== undefined) throw next.failure
      await this.#changed(performance.now() + 1000)
    }
    this.#checkOpen()
    if (next.failure !== undefined) throw next.failure
  }

  #follow(handle: WorkerHandle): void {
    handle.follow({
      onProgress: () => this.#wake(),
      onFailure: (error) => {
        this.#wake()
        if (handle === this.#live && !this.#closing) this.#onFailure(error)
      },
    })
  }

  /** Rows that the file had from before may be damaged, or of another log: then they are made anew, once. */
  #onFailure(error: Error): void {
    const { onFatal } = this.#options
    if (!(error instanceof UnusableError) || this.#live.resumedRevision === 0) {
      onFatal(error)
      return
    }
    this.#repaired = error.message
    this.#resumedRevision = 0
    this.rebuild().catch((why: unknown) => {
      if (!this.#closing) onFatal(why instanceof Error ? why : new Error(String(why)))
    })
  }

  /** Ends a rebuild that is under way, and everyone who waits. */
  async close(): Promise<void> {
    this.#closing = true
    this.#wake()
    await this.#rebuilding?.catch(() => undefined)
    await this.#live.close()
  }

  #checkOpen(): void {
    if (this.#closing) throw new Rejection('UNAVAILABLE', 'this member is stopping')
  }

  /** Names the generation that serves, atomically. */
  async #point(generation: number): Promise<void> {
    const path = join(this.#options.directory, 'current')
    await writeFile(`${path}.next`, String(generation))
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

/** The generation that serves; 1 in a new directory, or where that is not known. */
async function currentGeneration(directory: string): Promise<number> {
  const text = await readFile(join(directory, 'current'), 'utf8').catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return '1'
    throw error
  })
  const generation = Number(text)
  return Number.isSafeInteger(generation) && generation > 0 ? generation : 1
}

/** What a rebuild has left that was interrupted, or what it has replaced. */
async function removeOthers(directory: string, generation: number): Promise<void> {
  for (const name of await readdir(directory))
    if (/^\d+$/.test(name) && name !== String(generation))
      await rm(join(directory, name), { recursive: true })
}

/** Where a generation's file is; its directory is made. */
async function pathOf(directory: string, generation: number): Promise<string> {
  await mkdir(join(directory, String(generation)), { recursive: true })
  return join(directory, String(generation), 'projections.sqlite')
}
