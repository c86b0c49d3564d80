import type { IncarnationSpecification } from './instance_driver.ts'
import type { Acceleration } from './kvm/acceleration.ts'
import type { PortForward } from './net/network_driver.ts'

/** What one incarnation placed on this host shall be: a row of the hosts projection. */
export interface DesiredIncarnation extends IncarnationSpecification {
  /**
   * stopped: this incarnation shall be powered down; a later start makes a new one. destroyed: it shall be gone, with all
   * it holds on this host.
   */
  readonly intent: 'running' | 'stopped' | 'destroyed'
}

export type ObservedLifecycle =
  | 'starting'
  | 'running'
  | 'stopping'
  | 'stopped'
  | 'failed'
  | 'destroyed'
  | 'quarantined'

/** What this host sees of one incarnation; sent on transitions only. */
export interface Observation {
  readonly incarnation: string
  readonly generation: number
  /** running: the hypervisor runs the guest. Whether that serves is `guestReady`. */
  readonly lifecycle: ObservedLifecycle
  /** A CamelCase word, then what else is known, after a colon. */
  readonly reason: string
  readonly acceleration: Acceleration
  readonly guestReady: boolean
  readonly forwards: readonly PortForward[]
}

/** One change of the feed; a row that is null is no longer known to the control plane. */
export interface DesiredChange {
  /** uid of the incarnation */
  readonly key: string
  readonly row: DesiredIncarnation | null
}
