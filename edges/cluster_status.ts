import type { Actor } from '../domains/kernel/domain.ts'
import type { ClusterStatus, ControlPlane } from './control_plane.ts'

/** This member's status. Heartbeats of hosts reach the leader alone: they are asked of it, and stay unknown where it does not answer. */
export async function clusterStatus(
  control: ControlPlane,
  actor: Actor,
  askLeader: (leader: string) => Promise<ClusterStatus>,
): Promise<ClusterStatus> {
  const own = await control.status(actor)
  const leader = control.leaderAddress()
  if (leader === undefined || leader === '') return own
  try {
    const { hosts } = await askLeader(leader)
    return { ...own, hosts }
  } catch {
    return own
  }
}
