import contract from '../contract.ts'
import { type IncarnationLifecycle, type InstanceLifecycle, mayRun } from '../contract_resources.ts'
import type { Incarnation, Instance } from '../state.ts'
import { bindPort, requireInstance, type VmContext } from './placement.ts'

/** The first wait after an incarnation ended unasked; it doubles with each that follows. */
const BACKOFF_FIRST_MS = 1000
const BACKOFF_MAX_MS = 300_000
/** One that has run for so long has not failed again, but anew. */
const STEADY_MS = 60_000

/** Milliseconds to wait after so many failures in a row. */
function backoff(failures: number): number {
  return failures === 0 ? 0 : Math.min(BACKOFF_FIRST_MS * 2 ** (failures - 1), BACKOFF_MAX_MS)
}

/** Whether an incarnation is the last of its instance: older ones do not count any more. */
export function isCurrent(context: VmContext, { uid, instance }: Incarnation): boolean {
  return context.state.instance.get(instance)?.incarnation === uid
}

/**
 * Brings the instance in line with what was just recorded of its incarnation. `before` is the incarnation as it was. When it has
 * ended and the instance should be gone, this gives back all that the instance holds.
 */
export function settleInstance(context: VmContext, before: Incarnation): void {
  const after = context.state.incarnation.get(before.uid)
  if (after === undefined || !isCurrent(context, after)) return
  const instance = requireInstance(context, after.instance)
  if (mayRun(after.lifecycle)) {
    observe(context, instance, after, {})
    const state = after.lifecycle === 'running' ? 'active' : 'binding'
    bindPort(context, instance, state, { host: after.host, incarnation: after.uid })
    return
  }
  if (instance.intent === 'deleted') {
    context.remove(contract, 'instance', instance.uid)
    return
  }
  observe(context, instance, after, mayRun(before.lifecycle) ? retry(context, instance, before, after) : {})
  bindPort(context, instance, 'down', null)
}

function retry(context: VmContext, instance: Instance, before: Incarnation, after: Incarnation) {
  const asked = before.intent !== 'running' || instance.intent !== 'running'
  if (asked || after.lifecycle === 'fenced' || before.lifecycle === 'unknown') return { retryAt: context.now }
  const steady = before.lifecycle === 'running' && context.now - before.since >= STEADY_MS
  const failures = steady ? 1 : instance.failures + 1
  return { failures, retryAt: context.now + backoff(failures) }
}

function observe(
  context: VmContext,
  instance: Instance,
  { lifecycle, reason, guestReady, forwards, host }: Incarnation,
  more: { readonly failures?: number; readonly retryAt?: number },
): void {
  context.emit('InstanceObserved', {
    uid: instance.uid,
    lifecycle: lifecycleOf(instance, lifecycle),
    reason,
    guestReady,
    forwards: [...forwards],
    host: mayRun(lifecycle) ? host : null,
    ...more,
  })
}

function lifecycleOf({ intent }: Instance, lifecycle: IncarnationLifecycle): InstanceLifecycle {
  if (lifecycle !== 'destroyed' && lifecycle !== 'fenced') return lifecycle
  return intent === 'running' ? 'pending' : 'stopped'
}

/** Records that an incarnation is gone for good without its host having said so of it. */
export function recordGone(context: VmContext, incarnation: Incarnation, reason: string): void {
  if (!isCurrent(context, incarnation)) {
    context.remove(contract, 'incarnation', incarnation.uid)
    return
  }
  context.emit('IncarnationGone', {
    uid: incarnation.uid,
    lifecycle: 'destroyed',
    reason,
    since: context.now,
    guestReady: false,
    forwards: [],
  })
  settleInstance(context, incarnation)
}
