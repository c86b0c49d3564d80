import type { RowOf } from '../../domains/kernel/contract.ts'
import lb from '../../domains/lb/contract.ts'
import vm from '../../domains/vm/contract.ts'
import type { ProjectedResources, Projection, ResourceChange } from '../kernel/projection.ts'

type Listener = RowOf<(typeof lb)['resources']['listener']>
type Member = RowOf<(typeof lb)['resources']['member']>

/** What a balancer needs: a row a listener, with its pool's members resolved to where they can be reached. A member that cannot be reached yet is left out. */
export const balancers: Projection = {
  name: 'balancers',
  version: 1,
  referrers: ['lb.listener', 'lb.member'],
  affected: ({ kind, before, after }: ResourceChange, resources) => {
    const { uid } = (after ?? before) as { uid: string }
    switch (kind) {
      case 'lb.listener':
        return [uid]
      case 'lb.load_balancer':
        return resources.referrers(lb, 'listener', uid).map((listener) => listener.uid)
      case 'lb.pool':
        return listenersOf(uid, resources)
      case 'lb.member':
        return listenersOf(((after ?? before) as unknown as Member).pool, resources)
      case 'vm.instance':
        return listenersOfInstance(uid, resources)
      case 'vm.incarnation':
        return listenersOfInstance(((after ?? before) as unknown as { instance: string }).instance, resources)
      default:
        return []
    }
  },
  affectedByHistory: () => [],
  row: (key, resources) => {
    const listener = resources.get(lb, 'listener', key)
    const balancer =
      listener === undefined ? undefined : resources.get(lb, 'load_balancer', listener.loadBalancer)
    const pool = listener === undefined ? undefined : resources.get(lb, 'pool', listener.pool)
    if (listener === undefined || balancer === undefined || pool === undefined) return undefined
    return { slice: '', data: listenerRow(listener, balancer.name, balancer.address, pool, resources) }
  },
}

function listenerRow(
  listener: Listener,
  loadBalancer: string,
  address: string,
  { uid, algorithm, monitor }: RowOf<(typeof lb)['resources']['pool']>,
  resources: ProjectedResources,
): object {
  const members = resources.referrers(lb, 'member', uid).flatMap((member) => {
    const endpoint = endpointOf(member, resources)
    return endpoint === undefined
      ? []
      : [{ uid: member.uid, name: member.name, ...endpoint, weight: member.weight, drain: member.drain }]
  })
  const { project, name, protocol, port, connectionLimit } = listener
  return {
    uid: listener.uid,
    loadBalancer,
    project,
    name,
    protocol,
    address,
    port,
    algorithm,
    connectionLimit,
    monitor,
    members,
  }
}

/** Where a member's port can be reached: its own address, or what the host of its running instance forwards. */
function endpointOf(
  member: Member,
  resources: ProjectedResources,
): { address: string; port: number } | undefined {
  if (member.instance === null)
    return member.address === null ? undefined : { address: member.address, port: member.port }
  const incarnation = resources.get(vm, 'instance', member.instance)?.incarnation ?? null
  const running = incarnation === null ? undefined : resources.get(vm, 'incarnation', incarnation)
  if (running === undefined || running.lifecycle !== 'running') return undefined
  const forward = running.forwards.find(({ guestPort }) => guestPort === member.port)
  return forward === undefined ? undefined : { address: forward.address, port: forward.hostPort }
}

function listenersOf(pool: string, resources: ProjectedResources): readonly string[] {
  return resources.referrers(lb, 'listener', pool).map(({ uid }) => uid)
}

function listenersOfInstance(instance: string, resources: ProjectedResources): readonly string[] {
  return resources.referrers(lb, 'member', instance).flatMap(({ pool }) => listenersOf(pool, resources))
}
