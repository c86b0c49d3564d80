import { mkdir, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { Rejection } from '../../domains/kernel/rejection.ts'
import type { Log } from '../../log/log.ts'
import type { FeedBatch } from './changes.ts'
import type { Calls } from './protocol.ts'
import { UnusableError, WorkerHandle } from './worker_handle.ts'

const SCRUB_MS = 6 * 60 * 60 * 1000
const LOADED_TIMEOUT_MS = 10_000

export interface RunnerOptions {
  readonly log: Log
  readonly directory: string
  /** The module that calls `serveProjections`. */
  readonly worker: URL
  readonly onFatal: (error: Error) => void
  /** Told when rows turned out to be damaged while they served: they are made anew. */
  readonly warn?: (message: string) => void
  /** How long after one scrub of all rows the next begins, in milliseconds. Default 6 hours. */
  readonly scrubMilliseconds?: number
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
  /** Under way while a new file is filled. */
  #loading: Promise<void> | undefined
  #closing = false
  #scrubTimer: NodeJS.Timeout | undefined
  #scrubs = 0
  readonly #waiters = new Set<() => void>()

  static async open(options: RunnerOptions): Promise<Runner> {
    const { directory, worker, log } = options
    await mkdir(directory, { recursive: true })
    const generation = await currentGeneration(directory)
    await removeOthers(directory, generation)
    let repaired: string | undefined
    if (generation > 0) {
      try {
        const live = await WorkerHandle.open(worker, await pathOf(directory, generation), log)
        return new Runner(options, live, generation, undefined)
      } catch (error) {
        if (!(error instanceof UnusableError)) throw error
        repaired = error.message
      }
    }
    const live = await WorkerHandle.open(worker, await pathOf(directory, generation + 1), log)
    return new Runner(options, live, generation + 1, repaired)
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
    const isFresh = live.resumedRevision === 0
    this.#follow(live, isFresh)
    if (isFresh)
      this.#loading = this.#load(live, generation).finally(() => {
        this.#loading = undefined
        this.#wake()
      })
    void this.#scrubNow()
  }

  /** Until a new file has everything that was committed when it was opened it is not named as the one that serves, and does not serve. */
  async #load(live: WorkerHandle, generation: number): Promise<void> {
    try {
      while (!live.isLoaded && live.failure === undefined && !this.#closing)
        await this.#changed(performance.now() + 1000)
      if (!live.isLoaded || this.#closing) return
      await this.#point(generation)
      await removeOthers(this.#options.directory, generation)
    } catch (error) {
      this.#options.onFatal(error instanceof Error ? error : new Error(String(error)))
    }
  }

  /** Why the rows were thrown away and made anew; undefined when they were sound. */
  get repaired(): string | undefined {
    return this.#repaired
  }

  /** The revision of the rows at the start: only what came after was replayed. */
  get resumedRevision(): number {
    return this.#resumedRevision
  }

  /** The last revision that reads show; 0 while rows are made anew that were not there, or turned out to be damaged. */
  get revision(): number {
    return this.#live.failure === undefined && this.#loading === undefined
      ? this.#live.progress.checkpoint.revision
      : 0
  }

  get history(): string {
    return this.#live.progress.checkpoint.history
  }

  /** Projections that choked on an entry, with the reason. */
  get quarantined(): Readonly<Record<string, string>> {
    return this.#live.progress.quarantined
  }

  /** How often all rows were read again and compared with their digests since the start: the first time once they have caught up. */
  get scrubs(): number {
    return this.#scrubs
  }

  get rebuilding(): boolean {
    return this.#rebuilding !== undefined
  }

  /** Waits while a new file is filled. Rejects with UNAVAILABLE when that takes long, and when the worker fails or is closed. */
  async call<M extends keyof Calls>(method: M, ask: Calls[M]['ask']): Promise<Calls[M]['answer']> {
    const deadline = performance.now() + LOADED_TIMEOUT_MS
    while (this.#loading !== undefined && this.#live.failure === undefined) {
      this.#checkOpen()
      if (!(await this.#changed(deadline)))
        throw new Rejection('UNAVAILABLE', 'the rows are being made from the log: try again later')
    }
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
      if (this.#loading !== undefined) {
        await this.#changed(performance.now() + 1000, signal)
        continue
      }
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
    await this.#loading
    this.#checkOpen()
    const generation = this.#generation + 1
    await removeOthers(directory, this.#generation)
    const next = await WorkerHandle.open(worker, await pathOf(directory, generation), log)
    const old = this.#live
    try {
      this.#follow(next, true)
      await this.#catchUp(next)
      await this.#point(generation)
      // What the old one shows stays until the new one shows it too: no reader may see an earlier revision after a later one.
      await old.pause()
      await this.#catchUp(next)
    } catch (error) {
      await next.close()
      if (old.failure === undefined) await this.#point(this.#generation)
      await removeOthers(directory, this.#generation)
      old.resume()
      throw error
    }
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
    while (!next.isLoaded || next.progress.checkpoint.revision < goal()) {
      this.#checkOpen()
      if (next.failure !== undefined) throw next.failure
      await this.#changed(performance.now() + 1000)
    }
    this.#checkOpen()
    if (next.failure !== undefined) throw next.failure
  }

  /** `isFresh`: nobody reads the file before it has all that is committed now. */
  #follow(handle: WorkerHandle, isFresh: boolean): void {
    const onFailure = (error: Error): void => {
      this.#wake()
      if (handle === this.#live && !this.#closing) this.#onFailure(error)
    }
    handle.follow({ onProgress: () => this.#wake(), onFailure }, isFresh)
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

  /** Reads all rows again, in the worker and between queries; where they are damaged they are made anew. Then waits for the next time. */
  async #scrubNow(): Promise<void> {
    const { log, onFatal, warn, scrubMilliseconds = SCRUB_MS } = this.#options
    try {
      const goal = log.status().commitIndex
      while (!this.#closing && this.revision < goal) await this.#changed(performance.now() + 1000)
      await this.#rebuilding
      const damaged = this.#closing ? [] : await this.call('scrub', {})
      if (damaged.length > 0 && !this.#closing) {
        const why = `rows of ${damaged.join(', ')} are not those that were written`
        warn?.(`${why}: they are made anew from the log`)
        this.#repaired = why
        await this.rebuild()
      }
      this.#scrubs += 1
      this.#wake()
    } catch (error) {
      if (!this.#closing && !(error instanceof Rejection))
        onFatal(error instanceof Error ? error : new Error(String(error)))
    }
    if (!this.#closing) this.#scrubTimer = setTimeout(() => void this.#scrubNow(), scrubMilliseconds).unref()
  }

  /** Ends a rebuild that is under way, and everyone who waits. */
  async close(): Promise<void> {
    this.#closing = true
    clearTimeout(this.#scrubTimer)
    this.#wake()
    await this.#rebuilding?.catch(() => undefined)
    await this.#live.close()
    await this.#loading
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

/** The generation that serves; 0 where there is none, or that is not known. */
async function currentGeneration(directory: string): Promise<number> {
  const text = await readFile(join(directory, 'current'), 'utf8').catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return '0'
    throw error
  })
  const generation = Number(text)
  return Number.isSafeInteger(generation) && generation > 0 ? generation : 0
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
