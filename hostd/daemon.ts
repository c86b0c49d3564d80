import { join } from 'node:path'
import type { DesiredChange, DesiredIncarnation, Observation } from './desired.ts'
import { ImageCatalog } from './image/catalog.ts'
import type { IncarnationStatus } from './instance_driver.ts'
import { type HostInventory, takeInventory } from './inventory.ts'
import { QemuDriver } from './kvm/qemu.ts'
import { UserModeNetwork } from './net/user_mode.ts'
import { Reconciler } from './reconciler.ts'

export interface HostDaemonOptions {
  /** What this host remembers: a directory for each incarnation. One daemon at a time. */
  readonly hostDirectory: string
  /** Where images are kept; hosts on one machine may share it. Default: `images` in the host's directory. */
  readonly imageDirectory?: string
  /** Sends an observation to the control plane: see `ReconcilerOptions.report`. */
  readonly report: (observation: Observation) => Promise<void>
  readonly onRealized?: (revision: number) => void
  readonly stopDeadlineMilliseconds?: number
}

/**
 * What runs on a host, without the connection to the control plane: that feeds `snapshot` and `apply`, and carries what `report`,
 * `onRealized` and `inventory` say.
 */
export class HostDaemon {
  readonly inventory: HostInventory
  readonly #driver: QemuDriver
  readonly #reconciler: Reconciler

  private constructor(inventory: HostInventory, driver: QemuDriver, reconciler: Reconciler) {
    this.inventory = inventory
    this.#driver = driver
    this.#reconciler = reconciler
  }

  /**
   * Probes the host and takes over every incarnation that runs on it. Changes nothing before the first snapshot.
   *
   * @throws HostError `hostd/lock_timeout` when another daemon has the directory, `hostd/tool_missing` without flock
   */
  static async start(options: HostDaemonOptions): Promise<HostDaemon> {
    const inventory = await takeInventory()
    const { acceleration } = inventory
    const { hostDirectory, imageDirectory = join(hostDirectory, 'images'), ...callbacks } = options
    const images = new ImageCatalog(imageDirectory)
    const driver = await QemuDriver.open({
      hostDirectory,
      acceleration,
      network: new UserModeNetwork(),
      findImage: (name) => images.find(name),
    })
    return new HostDaemon(inventory, driver, new Reconciler(driver, { acceleration, ...callbacks }))
  }

  /** Takes all desired rows as of a revision of the feed. */
  snapshot(rows: readonly DesiredIncarnation[], revision: number): void {
    this.#reconciler.snapshot(rows, revision)
  }

  /** Takes the changes of one revision of the feed. */
  apply(changes: readonly DesiredChange[], revision: number): void {
    this.#reconciler.apply(changes, revision)
  }

  /** The highest revision for which everything on this host is done or reported; 0 before a snapshot. */
  realizedRevision(): number {
    return this.#reconciler.realizedRevision()
  }

  /** Every incarnation with a directory on this host. */
  incarnations(): readonly IncarnationStatus[] {
    return this.#driver.list()
  }

  /** The last bytes of an incarnation's console. @throws HostError `hostd/incarnation_unknown` */
  consoleLog(incarnation: string, tailBytes: number): Promise<Buffer> {
    return this.#driver.consoleLog(incarnation, tailBytes)
  }

  /** Ends this daemon; the incarnations go on, and the next daemon takes them over. */
  async close(): Promise<void> {
    this.#reconciler.close()
    await this.#driver.close()
  }
}
