import type { Actor } from '../domains/kernel/domain.ts'
import { Rejection } from '../domains/kernel/rejection.ts'
import type { ControlPlane } from './control_plane.ts'

const TIMEOUT_MS = 30_000

/**
 * Resolves once this member has applied all that was committed before the call: on a follower, the leader is asked up to where. Without
 * a leader nothing more is committed, and a log is read to see why: it is what this member has.
 */
export async function whenLogIsFresh(
  control: ControlPlane,
  actor: Actor,
  askLeader: (leader: string) => Promise<number>,
  signal: AbortSignal = new AbortController().signal,
): Promise<void> {
  const leader = control.leaderAddress()
  if (leader === '') return
  const revision = leader === undefined ? await control.committed(actor) : await askLeader(leader)
  const late = AbortSignal.timeout(TIMEOUT_MS)
  await control.waitForRevision(revision, AbortSignal.any([signal, late]))
  if (late.aborted) throw new Rejection('TIMEOUT', `revision ${revision} is not here after ${TIMEOUT_MS} ms`)
}
