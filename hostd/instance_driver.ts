import type { Acceleration } from './kvm/acceleration.ts'
import type { NetworkPort, PortForward } from './net/network_driver.ts'

/** All that a hypervisor needs to know to run one incarnation: it never changes while that runs. */
export interface IncarnationSpecification {
  /** uid; also the name of the incarnation's directory. */
  readonly incarnation: string
  /** uid */
  readonly instance: string
  readonly project: string
  readonly name: string
  readonly generation: number
  readonly vcpus: number
  readonly memoryMebibytes: number
  readonly image: string
  readonly imageDigest?: string
  readonly ports: readonly NetworkPort[]
  readonly userData?: string
  readonly hostname: string
}

/** How an incarnation ended. */
export interface IncarnationExit {
  /** stopped: by its own or our will, in order. failed: anything else. */
  readonly outcome: 'stopped' | 'failed'
  /** A CamelCase word, then what else is known, after a colon. */
  readonly reason: string
}

/** What a driver knows of an incarnation that has a directory on this host. */
export interface IncarnationStatus {
  readonly specification: IncarnationSpecification
  readonly phase: 'starting' | 'running' | 'stopping' | 'exited'
  readonly acceleration: Acceleration
  readonly forwards: readonly PortForward[]
  /** Whether the guest has said on its console that it serves. */
  readonly guestReady: boolean
  readonly exit?: IncarnationExit
}

/** The port behind which the hypervisors stand. Every step may be repeated. */
export interface InstanceDriver {
  /**
   * Starts an incarnation, or gives the one that runs or has run: an incarnation runs once. One that cannot be started
   * has ended as failed, with the reason.
   *
   * @throws HostError `hostd/invalid_specification` when its uid cannot name a directory; any error of the file system
   */
  start(specification: IncarnationSpecification): Promise<IncarnationStatus>
  /** Presses the power button; what has not ended by the deadline is ended. Resolves when it has ended. */
  stop(incarnation: string, deadlineMilliseconds: number): Promise<IncarnationStatus>
  /** Ends it at once. Resolves when it has ended. */
  kill(incarnation: string): Promise<IncarnationStatus>
  /** Removes the directory of one that has ended. @throws HostError `hostd/incarnation_alive` */
  remove(incarnation: string): Promise<void>
  /** The last bytes of the console. @throws HostError `hostd/incarnation_unknown` */
  consoleLog(incarnation: string, tailBytes: number): Promise<Buffer>
  /** Every incarnation with a directory here, also those found again after the daemon started. */
  list(): readonly IncarnationStatus[]
  /** One of those, or undefined. */
  status(incarnation: string): IncarnationStatus | undefined
  /** Calls back on every transition; returns what ends that. */
  watch(listener: (status: IncarnationStatus) => void): () => void
  /** Lets go of the incarnations, which go on. */
  close(): Promise<void>
}
