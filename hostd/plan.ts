import type { DesiredIncarnation, ObservedLifecycle } from './desired.ts'
import type { IncarnationStatus } from './instance_driver.ts'

/** What to do next about one incarnation, what to say about it, and whether that is all. */
export interface Plan {
  readonly action: 'none' | 'start' | 'stop' | 'remove'
  /** Undefined: there is nothing to say. */
  readonly lifecycle: ObservedLifecycle | undefined
  readonly reason: string
  /** Whether the host is as desired, or will never be (a failure that is reported). */
  readonly settled: boolean
}

export interface Situation {
  /** Undefined when the control plane does not know the incarnation. */
  readonly desired: DesiredIncarnation | undefined
  /** Undefined when it has no directory on this host. */
  readonly status: IncarnationStatus | undefined
  /** uid of an earlier incarnation of the same instance that still runs here. */
  readonly predecessor: string | undefined
  /** Why it can never be started. */
  readonly refusal: string | undefined
  /** Whether the control plane has said that it is over: fenced, or a newer one took its place. */
  readonly over: boolean
}

/**
 * Compares what shall be with what is: a pure function, asked again after every change of either.
 *
 * What the control plane does not know is never ended by the host itself: after a restore its history may be older than what runs
 * here, and a person decides.
 */
export function planIncarnation(situation: Situation): Plan {
  switch (intentOf(situation)) {
    case 'running':
      return planRunning(situation)
    case 'stopped':
      return planStopped(situation.status)
    case 'destroyed':
      return planDestroyed(situation.status)
    case undefined:
      return planUnknown(situation.status)
  }
}

/** What is over is stopped; its directory keeps it from being started again for as long as it is spoken of. */
function intentOf({ desired, over }: Situation): DesiredIncarnation['intent'] | undefined {
  if (!over || desired?.intent === 'destroyed') return desired?.intent
  return desired === undefined ? 'destroyed' : 'stopped'
}

function planRunning({ status, predecessor, refusal }: Situation): Plan {
  if (status !== undefined) return observe(status)
  if (refusal !== undefined) return { action: 'none', lifecycle: 'failed', reason: refusal, settled: true }
  if (predecessor !== undefined) {
    return unsettled('none', 'starting', `WaitingForPredecessor: ${predecessor} still runs on this host`)
  }
  return unsettled('start', 'starting', 'Creating')
}

function planStopped(status: IncarnationStatus | undefined): Plan {
  if (status === undefined) {
    return { action: 'none', lifecycle: 'stopped', reason: 'NeverStarted', settled: true }
  }
  if (status.phase === 'exited') return observe(status)
  return unsettled('stop', 'stopping', 'Stopping')
}

function planDestroyed(status: IncarnationStatus | undefined): Plan {
  if (status === undefined) return { action: 'none', lifecycle: 'destroyed', reason: 'Gone', settled: true }
  if (status.phase === 'exited') return unsettled('remove', undefined, 'Removing')
  return unsettled('stop', 'stopping', 'Stopping')
}

function planUnknown(status: IncarnationStatus | undefined): Plan {
  if (status === undefined) return { action: 'none', lifecycle: undefined, reason: '', settled: true }
  // What has ended holds nothing but its directory.
  if (status.phase === 'exited') return unsettled('remove', undefined, 'Removing')
  const reason =
    'UnknownIncarnation: the control plane does not know what runs here; destroy it or stop it by hand'
  return { action: 'none', lifecycle: 'quarantined', reason, settled: true }
}

function observe(status: IncarnationStatus): Plan {
  switch (status.phase) {
    case 'starting':
      return unsettled('none', 'starting', 'Starting')
    case 'running':
      return { action: 'none', lifecycle: 'running', reason: 'Running', settled: true }
    case 'stopping':
      return unsettled('none', 'stopping', 'Stopping')
    case 'exited':
      return {
        action: 'none',
        lifecycle: status.exit?.outcome ?? 'failed',
        reason: status.exit?.reason ?? 'Unknown',
        settled: true,
      }
  }
}

function unsettled(action: Plan['action'], lifecycle: ObservedLifecycle | undefined, reason: string): Plan {
  return { action, lifecycle, reason, settled: false }
}
