import { backoffMilliseconds } from './backoff.ts'
import type { DesiredChange, DesiredIncarnation, Observation, ObservedLifecycle } from './desired.ts'
import { HostError } from './errors.ts'
import type { IncarnationSpecification, IncarnationStatus, InstanceDriver } from './instance_driver.ts'
import type { Acceleration } from './kvm/acceleration.ts'
import { type Plan, planIncarnation } from './plan.ts'
import { ReportSlot } from './report_slot.ts'
import { Semaphore } from './semaphore.ts'

export interface ReconcilerOptions {
  /**
   * Sends an observation to the control plane. Resolves when it is accepted, or refused for good. A rejection with the code
   * `hostd/incarnation_over` means that the control plane knows the incarnation and says that it must end; any other
   * rejection means that the observation is sent again.
   */
  readonly report: (observation: Observation) => Promise<void>
  readonly acceleration: Acceleration
  /** How long a guest may take to heed the power button. */
  readonly stopDeadlineMilliseconds?: number
  /** Called when `realizedRevision` has grown. */
  readonly onRealized?: (revision: number) => void
}

interface Tracked {
  readonly incarnation: string
  desired: DesiredIncarnation | undefined
  /** The last change that is not realized yet. An earlier one is superseded, which counts as done. */
  pendingRevision: number | undefined
  refusal: string | undefined
  attempt: number
  timer: NodeJS.Timeout | undefined
  working: boolean
  again: boolean
  settled: boolean
  quarantined: boolean
  over: boolean
  readonly slot: ReportSlot
}

const startsAtOnceMax = 4
const reportsAtOnceMax = 8
const reasonCharactersMax = 1000
const stopDeadlineMillisecondsDefault = 30_000

/**
 * Makes the host look like its desired state, and reports what it sees.
 *
 * Level-triggered: every change, of what is desired or of what is, leads to the same question for that incarnation (`planIncarnation`),
 * and every step may be repeated. Incarnations do not wait for each other, except for an earlier one of the same
 * instance. Nothing happens before the first snapshot.
 */
export class Reconciler {
  readonly #driver: InstanceDriver
  readonly #options: ReconcilerOptions
  readonly #tracked = new Map<string, Tracked>()
  readonly #starts = new Semaphore(startsAtOnceMax)
  readonly #reports = new Semaphore(reportsAtOnceMax)
  readonly #unwatch: () => void
  #appliedRevision = 0
  #announcedRevision = 0
  #synchronized = false
  #closed = false

  constructor(driver: InstanceDriver, options: ReconcilerOptions) {
    this.#driver = driver
    this.#options = options
    this.#unwatch = driver.watch((status) => this.#onStatus(status))
  }

  /** Takes all rows as of a revision: what is not among them is not known to the control plane. */
  snapshot(rows: readonly DesiredIncarnation[], revision: number): void {
    const desired = new Map(rows.map((row) => [row.incarnation, row]))
    const known = [
      ...this.#tracked.keys(),
      ...this.#driver.list().map(({ specification }) => specification.incarnation),
    ]
    this.#synchronized = true
    this.#appliedRevision = revision
    this.#announcedRevision = 0
    for (const incarnation of new Set([...desired.keys(), ...known])) {
      const tracked = this.#track(incarnation)
      tracked.slot.forget()
      tracked.over = false
      this.#desire(tracked, desired.get(incarnation), revision)
    }
    this.#announceRealized()
  }

  /** Takes the changes of one revision, after a snapshot and in order. */
  apply(changes: readonly DesiredChange[], revision: number): void {
    if (!this.#synchronized) throw new TypeError('Changes need a snapshot before them.')
    if (revision < this.#appliedRevision) return
    this.#appliedRevision = revision
    for (const { key, row } of changes) this.#desire(this.#track(key), row ?? undefined, revision)
    this.#announceRealized()
  }

  /** The highest revision of the feed for which everything on this host is done or reported; 0 before a snapshot. */
  realizedRevision(): number {
    let realized = this.#appliedRevision
    for (const { pendingRevision } of this.#tracked.values()) {
      if (pendingRevision !== undefined) realized = Math.min(realized, pendingRevision - 1)
    }
    return realized
  }

  /** Stops reconciling; the incarnations go on as they are. */
  close(): void {
    this.#closed = true
    this.#unwatch()
    for (const tracked of this.#tracked.values()) {
      clearTimeout(tracked.timer)
      tracked.slot.close()
    }
  }

  #track(incarnation: string): Tracked {
    const existing = this.#tracked.get(incarnation)
    if (existing !== undefined) return existing
    const slot = new ReportSlot({
      report: this.#options.report,
      semaphore: this.#reports,
      onAccepted: () => this.#finish(tracked),
      onOver: () => this.#end(tracked),
    })
    const tracked: Tracked = {
      incarnation,
      desired: undefined,
      pendingRevision: undefined,
      refusal: undefined,
      attempt: 0,
      timer: undefined,
      working: false,
      again: false,
      settled: false,
      quarantined: false,
      over: false,
      slot,
    }
    this.#tracked.set(incarnation, tracked)
    return tracked
  }

  #desire(tracked: Tracked, desired: DesiredIncarnation | undefined, revision: number): void {
    const before = tracked.desired
    tracked.desired = desired
    tracked.pendingRevision = revision
    tracked.refusal = undefined
    tracked.attempt = 0
    this.#wake(tracked)
    // A successor no longer waits for what the control plane does not know.
    if (before !== undefined && desired === undefined) this.#wakeInstance(before.instance)
  }

  #onStatus(status: IncarnationStatus): void {
    if (!this.#synchronized) return
    const { incarnation, instance } = status.specification
    this.#wake(this.#track(incarnation))
    if (status.phase === 'exited') this.#wakeInstance(instance)
  }

  #wakeInstance(instance: string): void {
    for (const other of this.#tracked.values()) {
      if (other.desired?.instance === instance) this.#wake(other)
    }
  }

  /** The control plane has said that this one must not run any more. */
  #end(tracked: Tracked): void {
    if (tracked.over) return
    tracked.over = true
    this.#wake(tracked)
  }

  /** Looks at one incarnation, once at a time; what happens meanwhile makes it look again. */
  #wake(tracked: Tracked): void {
    tracked.settled = false
    tracked.again = true
    if (tracked.working || this.#closed) return
    clearTimeout(tracked.timer)
    tracked.working = true
    void this.#work(tracked)
  }

  async #work(tracked: Tracked): Promise<void> {
    try {
      while (tracked.again && !this.#closed) {
        tracked.again = false
        await this.#step(tracked)
      }
      tracked.attempt = 0
    } catch (error) {
      this.#retryLater(tracked, error)
    } finally {
      tracked.working = false
    }
    this.#finish(tracked)
  }

  async #step(tracked: Tracked): Promise<void> {
    const { desired, refusal, over } = tracked
    const status = this.#driver.status(tracked.incarnation)
    const predecessor = desired === undefined ? undefined : this.#predecessorOf(desired)
    const plan = planIncarnation({ desired, status, predecessor, refusal, over })
    this.#say(tracked, plan.lifecycle, plan.reason)
    tracked.quarantined ||= plan.lifecycle === 'quarantined'
    await this.#act(tracked, plan)
    if (plan.action !== 'none') tracked.again = true
    tracked.settled = plan.settled
  }

  async #act(tracked: Tracked, plan: Plan): Promise<void> {
    const { incarnation, desired } = tracked
    switch (plan.action) {
      case 'none':
        return
      case 'start':
        if (desired !== undefined) await this.#start(tracked, desired)
        return
      case 'stop':
        await this.#driver.stop(
          incarnation,
          this.#options.stopDeadlineMilliseconds ?? stopDeadlineMillisecondsDefault,
        )
        return
      case 'remove':
        await this.#driver.remove(incarnation)
        // One that was reported as quarantined and has ended by itself: the next look finds nothing left to say.
        if (desired === undefined && tracked.slot.latest !== undefined)
          this.#say(tracked, 'destroyed', 'Gone')
    }
  }

  async #start(tracked: Tracked, desired: DesiredIncarnation): Promise<void> {
    try {
      await this.#starts.run(async () => {
        // The turn may come after the mind has changed.
        if (tracked.desired === desired) await this.#driver.start(specificationOf(desired))
      })
    } catch (error) {
      if (!(error instanceof HostError) || error.code !== 'hostd/invalid_specification') throw error
      tracked.refusal = `StartFailed: ${error.code}: ${error.message}`
    }
  }

  #retryLater(tracked: Tracked, error: unknown): void {
    if (this.#closed) return
    const detail = error instanceof Error ? error.message : String(error)
    const lifecycle = tracked.slot.latest?.lifecycle ?? 'starting'
    this.#say(tracked, lifecycle, `Retrying: ${detail}`)
    tracked.timer = setTimeout(() => this.#wake(tracked), backoffMilliseconds(tracked.attempt))
    tracked.attempt += 1
  }

  /** Lets a change count as realized once the host is as desired and the control plane has been told. */
  #finish(tracked: Tracked): void {
    if (this.#closed || !tracked.settled || tracked.working || tracked.again || !tracked.slot.idle) return
    tracked.pendingRevision = undefined
    if (tracked.desired === undefined && this.#driver.status(tracked.incarnation) === undefined) {
      tracked.slot.close()
      this.#tracked.delete(tracked.incarnation)
    }
    this.#announceRealized()
  }

  #announceRealized(): void {
    const realized = this.realizedRevision()
    if (realized <= this.#announcedRevision) return
    this.#announcedRevision = realized
    this.#options.onRealized?.(realized)
  }

  #say(tracked: Tracked, lifecycle: ObservedLifecycle | undefined, reason: string): void {
    if (lifecycle === undefined) return
    const { incarnation, desired } = tracked
    const status = this.#driver.status(incarnation)
    tracked.slot.offer({
      incarnation,
      generation:
        desired?.generation ?? status?.specification.generation ?? tracked.slot.latest?.generation ?? 0,
      lifecycle,
      reason: reason.slice(0, reasonCharactersMax),
      acceleration: status?.acceleration ?? this.#options.acceleration,
      guestReady: status?.phase === 'running' && status.guestReady,
      forwards: status?.phase === 'exited' ? [] : (status?.forwards ?? []),
    })
  }

  /** An earlier incarnation of the same instance that the control plane knows and that still runs here. */
  #predecessorOf(desired: DesiredIncarnation): string | undefined {
    for (const { specification, phase } of this.#driver.list()) {
      const { incarnation, instance } = specification
      if (incarnation === desired.incarnation || instance !== desired.instance || phase === 'exited') continue
      const other = this.#tracked.get(incarnation)?.desired
      if (other !== undefined && other.generation < desired.generation) return incarnation
    }
    return undefined
  }
}

function specificationOf(desired: DesiredIncarnation): IncarnationSpecification {
  const { intent: _intent, ...specification } = desired
  return specification
}
