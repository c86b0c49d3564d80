import { isDeepStrictEqual } from 'node:util'
import { Backend } from './backend.ts'
import type { Bounds } from './bounds.ts'
import { chooseBy } from './choose.ts'
import { HealthScore } from './health-score.ts'
import type { HealthChange, ListenerRow, MemberHealth, MonitorRow } from './listener-row.ts'
import { Monitor, type ProbeSlots } from './monitor.ts'
import { describe, isOwnError, type Verdict } from './probe.ts'
import { WaitQueue } from './wait-queue.ts'

/** NO_MEMBER: none may be given anything now. The others: all are busy, and the wait for one was refused or too long. */
export type AcquireFailure = 'NO_MEMBER' | 'QUEUE_FULL' | 'QUEUE_TIMEOUT'
export type Acquired = Backend | AcquireFailure

/** The members of one listener: who is there, who is well, whose turn it is. */
export class Pool {
  readonly #listener: string
  readonly #bounds: Bounds
  readonly #slots: ProbeSlots
  readonly #report: (change: HealthChange) => void
  readonly #waiting: WaitQueue
  readonly #monitors = new Map<Backend, Monitor>()
  readonly #graces = new Map<Backend, NodeJS.Timeout>()
  #backends: Backend[] = []
  #algorithm: ListenerRow['algorithm'] = 'ROUND_ROBIN'

  constructor(listener: string, bounds: Bounds, slots: ProbeSlots, report: (change: HealthChange) => void) {
    this.#listener = listener
    this.#bounds = bounds
    this.#slots = slots
    this.#report = report
    this.#waiting = new WaitQueue(bounds.queueMax, bounds.queueMilliseconds)
  }

  get backends(): readonly Backend[] {
    return this.#backends
  }

  /** Connections or requests that wait for a member with room. */
  get waiting(): number {
    return this.#waiting.length
  }

  /** Reconciles with the row. A member that keeps its uid and endpoint keeps its health, counters and connections. */
  apply(row: Pick<ListenerRow, 'algorithm' | 'members' | 'monitor'>): void {
    this.#algorithm = row.algorithm
    const before = new Map(this.#backends.map((backend) => [backend.uid, backend]))
    this.#backends = row.members.map((member) => {
      const known = before.get(member.uid)
      if (known === undefined || known.address !== member.address || known.port !== member.port) {
        return new Backend(member, this.#bounds)
      }
      before.delete(member.uid)
      known.weight = member.weight
      known.drain = member.drain
      return known
    })
    for (const gone of before.values()) this.#remove(gone)
    for (const backend of this.#backends) {
      this.#watch(backend, row.monitor)
      this.#reportHealth(backend)
    }
    this.#waiting.wake()
  }

  /**
   * Takes a place at a member not in `tried` and hands it to `receive`, at once when there is room; give it back with
   * `release`. The function returned leaves the queue: `receive` is not called after it.
   */
  acquire(source: string, tried: ReadonlySet<Backend>, receive: (acquired: Acquired) => void): () => void {
    const attempt = (): boolean => {
      const choice = this.#choose(source, tried)
      if (choice === 'FULL') return false
      if (choice !== 'NO_MEMBER') {
        choice.connections += 1
        choice.connectionsTotal += 1
      }
      receive(choice)
      return true
    }
    if (attempt()) return () => undefined
    const leave = this.#waiting.join(attempt, () => receive('QUEUE_TIMEOUT'))
    if (leave !== null) return leave
    receive('QUEUE_FULL')
    return () => undefined
  }

  release(backend: Backend): void {
    backend.connections -= 1
    if (backend.removed && backend.connections === 0) this.#forget(backend)
    this.#waiting.wake()
  }

  /** A connect that failed under traffic counts as a failed check. Without a monitor nothing could take it back. */
  connectFailed(backend: Backend, error: Error): void {
    backend.connectFailures += 1
    if (!this.#monitors.has(backend) || isOwnError(error)) return
    this.#record(backend, {
      outcome: 'FAILED',
      detail: `connect to ${backend.endpoint} for a client: ${describe(error)}`,
    })
  }

  /** Health is of no more interest; what is known stays. */
  stopChecks(): void {
    for (const monitor of this.#monitors.values()) monitor.stop()
  }

  /** Takes all members away. */
  close(): void {
    for (const backend of this.#backends) this.#remove(backend)
    this.#backends = []
    this.#waiting.wake()
  }

  /** Ends what removed members still have under way. */
  cut(): void {
    for (const backend of [...this.#graces.keys()]) {
      backend.cutAll()
      this.#forget(backend)
    }
  }

  #choose(source: string, tried: ReadonlySet<Backend>): Backend | 'NO_MEMBER' | 'FULL' {
    let eligible = false
    const candidates: Backend[] = []
    for (const backend of this.#backends) {
      if (!backend.eligible || tried.has(backend)) continue
      eligible = true
      if (backend.connections < this.#bounds.memberConnectionsMax) candidates.push(backend)
    }
    return chooseBy[this.#algorithm](candidates, source) ?? (eligible ? 'FULL' : 'NO_MEMBER')
  }

  #remove(backend: Backend): void {
    backend.removed = true
    this.#monitors.get(backend)?.stop()
    this.#monitors.delete(backend)
    if (backend.connections === 0) {
      backend.agent.destroy()
      return
    }
    const grace = setTimeout(() => {
      backend.cutAll()
      this.#forget(backend)
    }, this.#bounds.graceMilliseconds)
    this.#graces.set(backend, grace)
  }

  #forget(backend: Backend): void {
    backend.agent.destroy()
    clearTimeout(this.#graces.get(backend))
    this.#graces.delete(backend)
  }

  #watch(backend: Backend, monitor: MonitorRow | null): void {
    const current = this.#monitors.get(backend)
    if (isDeepStrictEqual(current?.row ?? null, monitor)) return
    current?.stop()
    this.#monitors.delete(backend)
    backend.checkError = null
    if (monitor === null) {
      backend.score = null
      backend.checked = false
      return
    }
    backend.score =
      backend.score?.withThresholds(monitor.rise, monitor.fall) ?? new HealthScore(monitor.rise, monitor.fall)
    const receive = (verdict: Verdict): void => this.#record(backend, verdict)
    this.#monitors.set(backend, new Monitor(monitor, backend, this.#slots, receive))
  }

  #record(backend: Backend, verdict: Verdict): void {
    if (backend.score === null) return
    backend.checkError = verdict.outcome === 'BROKEN' ? verdict.detail : null
    if (verdict.outcome !== 'BROKEN') {
      backend.checked = true
      const changed = backend.score.record(verdict.outcome === 'PASSED')
      if (changed && backend.score.up) this.#waiting.wake()
    }
    backend.detail = verdict.detail
    this.#reportHealth(backend)
    if (!backend.score.up) this.#waiting.wake()
  }

  #reportHealth(backend: Backend): void {
    const current = healthOf(backend)
    if (current === null || current.health === backend.reported) return
    backend.reported = current.health
    backend.reportedReason = current.reason
    this.#report({
      listener: this.#listener,
      member: backend.uid,
      health: current.health,
      reason: current.reason,
    })
  }
}

/** Null while nothing is known yet: no check has come back. */
function healthOf(backend: Backend): { health: MemberHealth; reason: string } | null {
  if (backend.score !== null && !backend.score.up) return { health: 'OFFLINE', reason: backend.detail }
  if (backend.drain) return { health: 'DRAINING', reason: 'the member is set to drain' }
  if (backend.weight === 0) return { health: 'DRAINING', reason: 'the weight of the member is 0' }
  if (backend.score === null) return { health: 'NO_MONITOR', reason: 'the listener has no health monitor' }
  if (backend.checkError !== null) return { health: 'ERROR', reason: backend.checkError }
  return backend.checked ? { health: 'ONLINE', reason: backend.detail } : null
}
