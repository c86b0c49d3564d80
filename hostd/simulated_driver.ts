import { HostError } from './errors.ts'
import type {
  IncarnationExit,
  IncarnationSpecification,
  IncarnationStatus,
  InstanceDriver,
} from './instance_driver.ts'

/**
 * A host that runs nothing: incarnations are states in memory, which heed the power button at once. For forks of a production
 * log, and for finding out what a reconciler does when `fail` makes steps go wrong.
 */
export class SimulatedDriver implements InstanceDriver {
  readonly #statuses = new Map<string, IncarnationStatus>()
  readonly #listeners = new Set<(status: IncarnationStatus) => void>()
  /** Called before each step; what it throws, the step throws. */
  fail: (step: 'start' | 'stop' | 'remove', incarnation: string) => void = () => undefined

  async start(specification: IncarnationSpecification): Promise<IncarnationStatus> {
    const { incarnation } = specification
    const existing = this.#statuses.get(incarnation)
    if (existing !== undefined) return existing
    this.fail('start', incarnation)
    this.#set({ specification, phase: 'starting', acceleration: 'tcg', forwards: [], guestReady: false })
    await Promise.resolve()
    const starting = this.#require(incarnation)
    const forwards = specification.ports.flatMap((port) =>
      port.forwards.map((guestPort) => ({
        port: port.uid,
        guestPort,
        address: port.address,
        hostPort: guestPort,
      })),
    )
    if (starting.phase === 'starting')
      this.#set({ ...starting, phase: 'running', forwards, guestReady: true })
    return this.#require(incarnation)
  }

  async stop(incarnation: string): Promise<IncarnationStatus> {
    this.fail('stop', incarnation)
    this.#enter(incarnation, 'stopping')
    await Promise.resolve()
    return this.end(incarnation, { outcome: 'stopped', reason: 'PowerButton' })
  }

  kill(incarnation: string): Promise<IncarnationStatus> {
    return Promise.resolve(this.end(incarnation, { outcome: 'stopped', reason: 'Killed' }))
  }

  async remove(incarnation: string): Promise<void> {
    this.fail('remove', incarnation)
    const status = this.#statuses.get(incarnation)
    if (status !== undefined && status.phase !== 'exited')
      throw new HostError('hostd/incarnation_alive', incarnation)
    this.#statuses.delete(incarnation)
    await Promise.resolve()
  }

  consoleLog(incarnation: string): Promise<Buffer> {
    this.#require(incarnation)
    return Promise.resolve(Buffer.alloc(0))
  }

  list(): readonly IncarnationStatus[] {
    return [...this.#statuses.values()]
  }

  status(incarnation: string): IncarnationStatus | undefined {
    return this.#statuses.get(incarnation)
  }

  watch(listener: (status: IncarnationStatus) => void): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  close(): Promise<void> {
    this.#listeners.clear()
    return Promise.resolve()
  }

  /** Makes an incarnation end, as if by itself. */
  end(incarnation: string, exit: IncarnationExit): IncarnationStatus {
    const status = this.#require(incarnation)
    if (status.phase === 'exited') return status
    // A listener may remove it at once.
    const ended: IncarnationStatus = { ...status, phase: 'exited', exit }
    this.#set(ended)
    return ended
  }

  #enter(incarnation: string, phase: IncarnationStatus['phase']): void {
    const status = this.#require(incarnation)
    if (status.phase !== 'exited') this.#set({ ...status, phase })
  }

  #require(incarnation: string): IncarnationStatus {
    const status = this.#statuses.get(incarnation)
    if (status === undefined) throw new HostError('hostd/incarnation_unknown', incarnation)
    return status
  }

  #set(status: IncarnationStatus): void {
    this.#statuses.set(status.specification.incarnation, status)
    for (const listener of this.#listeners) listener(status)
  }
}
