import { mkdir, realpath, rm, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { HostError } from '../errors.ts'
import { acquireExclusiveLock, type ExclusiveLock } from '../exclusive_lock.ts'
import type { GuestImage } from '../image/guest.ts'
import type {
  IncarnationExit,
  IncarnationSpecification,
  IncarnationStatus,
  InstanceDriver,
} from '../instance_driver.ts'
import type { NetworkDriver } from '../net/network_driver.ts'
import type { Acceleration } from './acceleration.ts'
import { incarnationFiles, qemuArguments } from './arguments.ts'
import { ConsoleLog } from './console_log.ts'
import { awaitExitCode, judgeExit, readHypervisorLog } from './exit.ts'
import { searchHypervisor, spawnHypervisor } from './hypervisor_process.ts'
import { Incarnation, type IncarnationContext, type RuntimeRecord } from './incarnation.ts'
import {
  incarnationDirectory,
  listIncarnations,
  makeDirectory,
  readRecord,
  writeRecord,
} from './incarnation_directory.ts'
import { isAlive, type ProcessIdentity } from './process_identity.ts'
import { writeSeed } from './seed.ts'

export interface QemuDriverOptions {
  /** Holds one directory for each incarnation; one daemon at a time. */
  readonly hostDirectory: string
  readonly acceleration: Acceleration
  readonly network: NetworkDriver
  /** Gives the files of an image. @throws HostError `hostd/image_unknown` */
  readonly findImage: (name: string) => Promise<GuestImage>
  readonly consoleBytesMax?: number
  /** How long to wait for an earlier daemon to let go of the directory. */
  readonly lockTimeoutMilliseconds?: number
}

type Entry =
  | { readonly kind: 'live'; readonly incarnation: Incarnation }
  /** Being started, or ended. */
  | { readonly kind: 'still'; readonly status: IncarnationStatus }

const lockTimeoutMillisecondsDefault = 15_000
const scanIntervalMilliseconds = 250
const consoleBytesMaxDefault = 1024 * 1024

/** Runs incarnations under QEMU, each in its own directory and in a process that outlives this one. */
export class QemuDriver implements InstanceDriver {
  readonly #options: QemuDriverOptions
  readonly #lock: ExclusiveLock
  readonly #entries = new Map<string, Entry>()
  readonly #starting = new Map<string, Promise<IncarnationStatus>>()
  readonly #listeners = new Set<(status: IncarnationStatus) => void>()
  readonly #scanTimer: NodeJS.Timeout

  private constructor(options: QemuDriverOptions, lock: ExclusiveLock) {
    this.#options = options
    this.#lock = lock
    this.#scanTimer = setInterval(() => this.#scanConsoles(), scanIntervalMilliseconds)
    this.#scanTimer.unref()
  }

  /**
   * Opens the host's directory and takes over every incarnation that runs in it.
   *
   * @throws HostError `hostd/lock_timeout` when another daemon has the directory.
   */
  static async open(options: QemuDriverOptions): Promise<QemuDriver> {
    await mkdir(options.hostDirectory, { recursive: true, mode: 0o700 })
    // Processes are found by their working directory, which the kernel tells without symbolic links.
    const hostDirectory = await realpath(options.hostDirectory)
    const timeoutMilliseconds = options.lockTimeoutMilliseconds ?? lockTimeoutMillisecondsDefault
    const lock = await acquireExclusiveLock(join(hostDirectory, 'lock'), timeoutMilliseconds)
    const driver = new QemuDriver({ ...options, hostDirectory }, lock)
    await Promise.all(
      (await listIncarnations(hostDirectory)).map((incarnation) => driver.#adopt(incarnation)),
    )
    return driver
  }

  start(specification: IncarnationSpecification): Promise<IncarnationStatus> {
    const { incarnation } = specification
    const earlier = this.#starting.get(incarnation)
    if (earlier !== undefined) return earlier
    const entry = this.#entries.get(incarnation)
    if (entry !== undefined) return Promise.resolve(statusOf(entry))
    const starting = this.#launch(specification).finally(() => this.#starting.delete(incarnation))
    this.#starting.set(incarnation, starting)
    return starting
  }

  async stop(incarnation: string, deadlineMilliseconds: number): Promise<IncarnationStatus> {
    const entry = await this.#require(incarnation)
    if (entry.kind === 'live') await entry.incarnation.stop(deadlineMilliseconds)
    return statusOf(entry)
  }

  async kill(incarnation: string): Promise<IncarnationStatus> {
    const entry = await this.#require(incarnation)
    if (entry.kind === 'live') await entry.incarnation.kill()
    return statusOf(entry)
  }

  async remove(incarnation: string): Promise<void> {
    const directory = incarnationDirectory(this.#options.hostDirectory, incarnation)
    const entry = this.#entries.get(incarnation)
    if (entry !== undefined && statusOf(entry).phase !== 'exited') {
      throw new HostError('hostd/incarnation_alive', incarnation)
    }
    await rm(directory, { recursive: true, force: true })
    this.#entries.delete(incarnation)
  }

  async consoleLog(incarnation: string, tailBytes: number): Promise<Buffer> {
    await this.#require(incarnation)
    const directory = incarnationDirectory(this.#options.hostDirectory, incarnation)
    return await new ConsoleLog(directory, this.#consoleBytesMax).tail(tailBytes)
  }

  list(): readonly IncarnationStatus[] {
    return [...this.#entries.values()].map(statusOf)
  }

  status(incarnation: string): IncarnationStatus | undefined {
    const entry = this.#entries.get(incarnation)
    return entry === undefined ? undefined : statusOf(entry)
  }

  watch(listener: (status: IncarnationStatus) => void): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  async close(): Promise<void> {
    clearInterval(this.#scanTimer)
    await Promise.allSettled(this.#starting.values())
    for (const entry of this.#entries.values()) {
      if (entry.kind === 'live') entry.incarnation.close()
    }
    this.#listeners.clear()
    await this.#lock.release()
  }

  async #launch(specification: IncarnationSpecification): Promise<IncarnationStatus> {
    const { incarnation } = specification
    const directory = incarnationDirectory(this.#options.hostDirectory, incarnation)
    this.#remember(specification, { phase: 'starting' })
    try {
      await makeDirectory(directory)
      await writeRecord(join(directory, incarnationFiles.specification), specification)
      return await this.#boot(directory, specification)
    } catch (error) {
      if (error instanceof HostError) {
        const reason = `StartFailed: ${error.code}: ${error.message}`
        return await this.#recordEnd(directory, specification, { outcome: 'failed', reason })
      }
      this.#entries.delete(incarnation)
      throw error
    }
  }

  async #boot(directory: string, specification: IncarnationSpecification): Promise<IncarnationStatus> {
    const { acceleration, network } = this.#options
    // An earlier attempt may have come as far as a process before the file system failed it.
    const running = await searchHypervisor(directory)
    if (running !== undefined) {
      return await this.#takeHold(directory, specification, newRuntime(running, acceleration))
    }
    const image = await this.#imageFor(specification)
    const arguments_ = qemuArguments(
      specification,
      image,
      acceleration,
      network.arguments(specification.ports),
    )
    await writeSeed(specification, directory)
    const process = await spawnHypervisor(directory, arguments_)
    if (process === undefined) return await this.#concludeWithoutProcess(directory, specification, undefined)
    const runtime = newRuntime(process, acceleration)
    await writeRecord(join(directory, incarnationFiles.runtime), runtime)
    return await this.#takeHold(directory, specification, runtime)
  }

  async #imageFor(specification: IncarnationSpecification): Promise<GuestImage> {
    const image = await this.#options.findImage(specification.image)
    if (specification.imageDigest !== undefined && specification.imageDigest !== image.digest) {
      throw new HostError(
        'hostd/image_digest_mismatch',
        `${specification.image} is ${image.digest} here, not ${specification.imageDigest}.`,
      )
    }
    return image
  }

  async #adopt(incarnation: string): Promise<void> {
    const directory = incarnationDirectory(this.#options.hostDirectory, incarnation)
    const specification = await readRecord<IncarnationSpecification>(
      join(directory, incarnationFiles.specification),
    )
    // The specification is written, and synced, before anything runs: without one there is nothing to adopt.
    if (specification === undefined) return await rm(directory, { recursive: true, force: true })
    const exit = await readRecord<IncarnationExit>(join(directory, incarnationFiles.exit))
    if (exit !== undefined) return void this.#remember(specification, { phase: 'exited', exit })
    const runtime = await readRecord<RuntimeRecord>(join(directory, incarnationFiles.runtime))
    if (runtime !== undefined && (await isAlive(runtime.process))) {
      return void (await this.#takeHold(directory, specification, runtime))
    }
    const process = await searchHypervisor(directory)
    if (process !== undefined) {
      const acceleration = runtime?.acceleration ?? this.#options.acceleration
      return void (await this.#takeHold(directory, specification, newRuntime(process, acceleration)))
    }
    const wasSpawned = await stat(join(directory, incarnationFiles.hypervisorLog)).then(
      () => true,
      () => false,
    )
    // Never spawned: it may still be started as what it is.
    if (!wasSpawned) return await rm(directory, { recursive: true, force: true })
    await this.#concludeWithoutProcess(directory, specification, runtime)
  }

  async #takeHold(
    directory: string,
    specification: IncarnationSpecification,
    runtime: RuntimeRecord,
  ): Promise<IncarnationStatus> {
    const context: IncarnationContext = {
      directory,
      specification,
      network: this.#options.network,
      consoleBytesMax: this.#consoleBytesMax,
      onChange: (status) => this.#announce(status),
    }
    const incarnation = new Incarnation(context, runtime)
    this.#entries.set(specification.incarnation, { kind: 'live', incarnation })
    await incarnation.begin()
    return incarnation.status
  }

  async #concludeWithoutProcess(
    directory: string,
    specification: IncarnationSpecification,
    runtime: RuntimeRecord | undefined,
  ): Promise<IncarnationStatus> {
    const exit = await judgeExit({
      exitCode: await awaitExitCode(directory),
      shutdownReason: undefined,
      guestPanicked: false,
      asked: 'nothing',
      hypervisorLog: await readHypervisorLog(directory),
      bootId: runtime?.process.bootId,
    })
    return await this.#recordEnd(directory, specification, exit)
  }

  async #recordEnd(
    directory: string,
    specification: IncarnationSpecification,
    exit: IncarnationExit,
  ): Promise<IncarnationStatus> {
    await writeRecord(join(directory, incarnationFiles.exit), exit)
    return this.#remember(specification, { phase: 'exited', exit })
  }

  #remember(
    specification: IncarnationSpecification,
    what: Pick<IncarnationStatus, 'phase' | 'exit'>,
  ): IncarnationStatus {
    const { acceleration } = this.#options
    const status = { specification, acceleration, forwards: [], guestReady: false, ...what }
    this.#entries.set(specification.incarnation, { kind: 'still', status })
    this.#announce(status)
    return status
  }

  /** What is being started is waited for: only then can it be told to stop. */
  async #require(incarnation: string): Promise<Entry> {
    await this.#starting.get(incarnation)?.catch(() => undefined)
    const entry = this.#entries.get(incarnation)
    if (entry === undefined) throw new HostError('hostd/incarnation_unknown', incarnation)
    return entry
  }

  #scanConsoles(): void {
    for (const entry of this.#entries.values()) {
      if (entry.kind === 'live') void entry.incarnation.scanConsole().catch(() => undefined)
    }
  }

  #announce(status: IncarnationStatus): void {
    for (const listener of this.#listeners) listener(status)
  }

  get #consoleBytesMax(): number {
    return this.#options.consoleBytesMax ?? consoleBytesMaxDefault
  }
}

function statusOf(entry: Entry): IncarnationStatus {
  return entry.kind === 'live' ? entry.incarnation.status : entry.status
}

function newRuntime(process: ProcessIdentity, acceleration: Acceleration): RuntimeRecord {
  return { process, acceleration, forwards: [], guestReady: false }
}
