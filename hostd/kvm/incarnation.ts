import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { waitUntil } from '../deadline.ts'
import type { IncarnationExit, IncarnationSpecification, IncarnationStatus } from '../instance_driver.ts'
import type { NetworkDriver, PortForward } from '../net/network_driver.ts'
import type { Acceleration } from './acceleration.ts'
import { incarnationFiles } from './arguments.ts'
import { ConsoleLog } from './console_log.ts'
import { awaitExitCode, type ExitEvidence, judgeExit, readHypervisorLog } from './exit.ts'
import { writeRecord } from './incarnation_directory.ts'
import { isAlive, type ProcessIdentity, signalProcess } from './process_identity.ts'
import { QmpClient, type QmpEvent } from './qmp.ts'

/** What is written down about a running incarnation, so that a later daemon can take it over. */
export interface RuntimeRecord {
  readonly process: ProcessIdentity
  readonly acceleration: Acceleration
  readonly forwards: readonly PortForward[]
  readonly guestReady: boolean
}

export interface IncarnationContext {
  readonly directory: string
  readonly specification: IncarnationSpecification
  readonly network: NetworkDriver
  readonly consoleBytesMax: number
  readonly onChange: (status: IncarnationStatus) => void
}

const buttonIntervalMilliseconds = 2_000
const quitTimeoutMilliseconds = 2_000
const killTimeoutMilliseconds = 10_000
const monitorLossGraceMilliseconds = 2_000
const reconnectDelayMillisecondsMax = 5_000

/** One QEMU that runs, or has run: watched through its monitor, its process and its console. */
export class Incarnation {
  readonly console: ConsoleLog
  readonly ended: Promise<void>
  readonly #context: IncarnationContext
  #runtime: RuntimeRecord
  #phase: IncarnationStatus['phase'] = 'starting'
  #exit: IncarnationExit | undefined
  #monitor: QmpClient | undefined
  #shutdownReason: string | undefined
  #guestPanicked = false
  #asked: ExitEvidence['asked'] = 'nothing'
  #markEnded: () => void = () => undefined
  readonly #closing = new AbortController()
  #scanning = false
  #stopping: Promise<void> | undefined

  constructor(context: IncarnationContext, runtime: RuntimeRecord) {
    this.#context = context
    this.#runtime = runtime
    this.console = new ConsoleLog(context.directory, context.consoleBytesMax)
    this.ended = new Promise((resolve) => {
      this.#markEnded = resolve
    })
  }

  get status(): IncarnationStatus {
    return {
      specification: this.#context.specification,
      phase: this.#phase,
      acceleration: this.#runtime.acceleration,
      forwards: this.#runtime.forwards,
      guestReady: this.#runtime.guestReady,
      ...(this.#exit === undefined ? {} : { exit: this.#exit }),
    }
  }

  /** Takes hold of the running QEMU; resolves once it is known to run or to have ended. */
  begin(): Promise<void> {
    return new Promise((resolve) => {
      this.#supervise(resolve).catch((error: unknown) => {
        // What cannot be watched is not known to run; the process itself is left as it is.
        const detail = error instanceof Error ? error.message : String(error)
        this.#conclude({ outcome: 'failed', reason: `SupervisionFailed: ${detail}` })
        resolve()
      })
    })
  }

  /** Presses the power button until the guest heeds it; past the deadline, ends QEMU. */
  stop(deadlineMilliseconds: number): Promise<void> {
    this.#stopping ??= this.#stop(deadlineMilliseconds)
    return this.#stopping
  }

  async kill(): Promise<void> {
    if (this.#phase === 'exited') return
    this.#asked = 'kill'
    this.#enter('stopping')
    await this.#end('SIGKILL')
  }

  /** Reads the console; called regularly. */
  async scanConsole(): Promise<void> {
    if (this.#phase === 'exited' || this.#scanning) return
    this.#scanning = true
    try {
      if ((await this.console.scan()) && !this.#runtime.guestReady) await this.#setGuestReady(true)
    } finally {
      this.#scanning = false
    }
  }

  /** Lets go; QEMU goes on. */
  close(): void {
    this.#closing.abort()
    this.#monitor?.close()
  }

  get #closed(): boolean {
    return this.#closing.signal.aborted
  }

  async #supervise(known: () => void): Promise<void> {
    let attempt = 0
    while (!this.#closed) {
      const monitor = await this.#connect()
      if (monitor !== undefined) {
        attempt = 0
        this.#monitor = monitor
        await this.#refresh(monitor)
        known()
        await monitor.closed
        this.#monitor = undefined
      }
      if (this.#closed) break
      if (await this.#goneWithin(monitor === undefined ? 0 : monitorLossGraceMilliseconds)) {
        await this.#concludeFromEvidence()
        break
      }
      attempt += 1
      await this.#pause(Math.min(reconnectDelayMillisecondsMax, 50 * 2 ** attempt))
    }
    known()
  }

  #connect(): Promise<QmpClient | undefined> {
    const path = join(this.#context.directory, incarnationFiles.monitor)
    return QmpClient.connect(path, (event) => this.#onEvent(event)).catch(() => undefined)
  }

  /** Reads from QEMU what is true now: after a start as after an adoption. */
  async #refresh(monitor: QmpClient): Promise<void> {
    try {
      const humanMonitorCommand = async (line: string): Promise<string> =>
        String(await monitor.execute('human-monitor-command', { 'command-line': line }))
      const forwards = await this.#context.network.forwards(this.#context.specification.ports, {
        humanMonitorCommand,
      })
      await this.#record({ ...this.#runtime, forwards })
      const { running } = (await monitor.execute('query-status')) as { running: boolean }
      if (running && this.#phase === 'starting') this.#enter('running')
    } catch {
      // Closing makes the loop look at the process, and connect again if it lives.
      monitor.close()
    }
  }

  #onEvent({ event, data }: QmpEvent): void {
    if (event === 'SHUTDOWN') this.#shutdownReason = String(data['reason'])
    if (event === 'GUEST_PANICKED') this.#guestPanicked = true
    if (event === 'RESUME' && this.#phase === 'starting') this.#enter('running')
    if (event === 'RESET' && data['guest'] === true) this.#setGuestReady(false).catch(() => undefined)
  }

  async #stop(deadlineMilliseconds: number): Promise<void> {
    const end = performance.now() + deadlineMilliseconds
    if (this.#phase === 'exited') return
    this.#asked = 'power-button'
    this.#enter('stopping')
    // A guest that is still booting does not hear the button: it is pressed again until somebody does.
    while (performance.now() < end && this.#phase === 'stopping' && !this.#closed) {
      await this.#monitor?.execute('system_powerdown').catch(() => undefined)
      const interval = Math.min(buttonIntervalMilliseconds, Math.max(1, end - performance.now()))
      await Promise.race([this.ended, this.#pause(interval)])
    }
    // Let go of, it is left to the next daemon.
    if (this.#phase !== 'stopping' || this.#closed) return
    this.#asked = 'quit'
    await this.#monitor?.execute('quit', {}, quitTimeoutMilliseconds).catch(() => undefined)
    if (await this.#goneWithin(quitTimeoutMilliseconds)) return await this.ended
    await this.#end('SIGKILL')
  }

  /** Waits, but not past the moment this is let go of. */
  async #pause(milliseconds: number): Promise<void> {
    await delay(milliseconds, undefined, { signal: this.#closing.signal }).catch(() => undefined)
  }

  async #end(signal: NodeJS.Signals): Promise<void> {
    await signalProcess(this.#runtime.process, signal)
    await waitUntil(`${this.#context.specification.incarnation} has ended`, killTimeoutMilliseconds, () =>
      this.#phase === 'exited' ? true : undefined,
    )
  }

  async #goneWithin(milliseconds: number): Promise<boolean> {
    const end = performance.now() + milliseconds
    for (;;) {
      if (!(await isAlive(this.#runtime.process))) return true
      if (performance.now() >= end) return false
      await delay(20)
    }
  }

  async #concludeFromEvidence(): Promise<void> {
    const { directory } = this.#context
    const exitCode = await awaitExitCode(directory)
    const exit = await judgeExit({
      exitCode,
      shutdownReason: this.#shutdownReason,
      guestPanicked: this.#guestPanicked,
      asked: this.#asked,
      hypervisorLog: await readHypervisorLog(directory),
      bootId: this.#runtime.process.bootId,
    })
    // Without the record a later daemon judges from the same evidence.
    await writeRecord(join(directory, incarnationFiles.exit), exit).catch(() => undefined)
    this.#conclude(exit)
  }

  #conclude(exit: IncarnationExit): void {
    this.#exit = exit
    this.#enter('exited')
    this.#markEnded()
  }

  async #setGuestReady(guestReady: boolean): Promise<void> {
    await this.#record({ ...this.#runtime, guestReady })
    this.#context.onChange(this.status)
  }

  async #record(runtime: RuntimeRecord): Promise<void> {
    this.#runtime = runtime
    await writeRecord(join(this.#context.directory, incarnationFiles.runtime), runtime)
  }

  #enter(phase: IncarnationStatus['phase']): void {
    if (this.#phase === phase) return
    this.#phase = phase
    this.#context.onChange(this.status)
  }
}
