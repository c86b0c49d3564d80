import { type FSWatcher, watch } from 'node:fs'
import { dirname } from 'node:path'
import { expiryWarning, readMaterial, type TlsFiles, type TlsMaterial } from './material.ts'

/** Files that belong together are written one after the other. */
const settleMilliseconds = 100
/** File systems that tell nothing, and directories that were replaced, are looked at this often. */
const lookMilliseconds = 5_000
/** Files in the midst of being replaced are not worth a warning. */
const patienceMilliseconds = 4_000
const warnAgainMilliseconds = 24 * 60 * 60 * 1000

/**
 * What files of certificates hold, now: they may be replaced at any time, one after the other, and are taken up once they fit
 * together again. Until then the last ones that did stay in use.
 */
export class WatchedTls {
  readonly #files: TlsFiles
  readonly #warn: (message: string) => void
  readonly #watchers: FSWatcher[] = []
  readonly #listeners = new Set<() => void>()
  readonly #poll: NodeJS.Timeout
  #settling: NodeJS.Timeout | undefined
  #current: TlsMaterial
  #looking: Promise<void> | undefined
  #closed = false
  /** What does not fit, and since when. */
  #problem: { readonly message: string; readonly since: number; warned: boolean } | undefined
  #expiryWarnedAt = Number.NEGATIVE_INFINITY

  /** Throws TlsError unless the files fit together now. */
  static async open(files: TlsFiles, warn: (message: string) => void): Promise<WatchedTls> {
    return new WatchedTls(files, await readMaterial(files), warn)
  }

  private constructor(files: TlsFiles, material: TlsMaterial, warn: (message: string) => void) {
    this.#files = files
    this.#current = material
    this.#warn = warn
    const paths = [files.caFile, ...(files.own === undefined ? [] : Object.values(files.own))]
    for (const directory of new Set(paths.map((path) => dirname(path)))) this.#watch(directory)
    this.#poll = setInterval(() => this.look(), lookMilliseconds)
    this.#poll.unref()
    this.#warnOfExpiry()
  }

  get current(): TlsMaterial {
    return this.#current
  }

  /** Calls back after each change, until the returned function is called. */
  onChange(listener: () => void): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  /** Looks at the files now; resolves when what they hold is in use, if it can be. */
  look(): Promise<void> {
    this.#looking ??= this.#read().finally(() => {
      this.#looking = undefined
    })
    return this.#looking
  }

  close(): void {
    this.#closed = true
    clearInterval(this.#poll)
    clearTimeout(this.#settling)
    for (const watcher of this.#watchers) watcher.close()
    this.#listeners.clear()
  }

  #watch(directory: string): void {
    try {
      const watcher = watch(directory, { persistent: false }, () => this.#changed())
      watcher.on('error', () => watcher.close())
      this.#watchers.push(watcher)
    } catch {
      return
    }
  }

  #changed(): void {
    if (this.#closed) return
    this.#settling ??= setTimeout(() => {
      this.#settling = undefined
      void this.look()
    }, settleMilliseconds)
    this.#settling.unref()
  }

  async #read(): Promise<void> {
    try {
      const found = await readMaterial(this.#files)
      this.#problem = undefined
      if (!this.#closed && isOther(found, this.#current)) {
        this.#current = found
        this.#expiryWarnedAt = Number.NEGATIVE_INFINITY
        for (const listener of [...this.#listeners]) listener()
        this.#warn('new certificates are in use')
      }
    } catch (error) {
      this.#failed(error instanceof Error ? error.message : String(error))
    }
    if (!this.#closed) this.#warnOfExpiry()
  }

  #failed(message: string): void {
    const now = performance.now()
    if (this.#problem?.message !== message) this.#problem = { message, since: now, warned: false }
    const problem = this.#problem
    if (problem.warned || this.#closed || now - problem.since < patienceMilliseconds) return
    problem.warned = true
    this.#warn(`the certificates that were in use stay in use: ${message}`)
  }

  #warnOfExpiry(): void {
    const now = Date.now()
    if (now - this.#expiryWarnedAt < warnAgainMilliseconds) return
    const warning = expiryWarning(this.#current, now)
    if (warning === undefined) return
    this.#expiryWarnedAt = now
    this.#warn(warning)
  }
}

function isOther(one: TlsMaterial, other: TlsMaterial): boolean {
  return one.ca !== other.ca || one.certificate !== other.certificate || one.key !== other.key
}
