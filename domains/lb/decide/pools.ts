import type { RowOf } from '../../kernel/contract.ts'
import type { Context, Decide } from '../../kernel/domain.ts'
import { isPublic } from '../../kernel/ipv4.ts'
import { reject } from '../../kernel/rejection.ts'
import vmContract from '../../vm/contract.ts'
import contract, { type pool } from '../contract.ts'
import type state from '../state.ts'

type Kinds = `${'Create' | 'Update' | 'Delete'}${'Pool' | 'Member'}` | 'ReportHealth'
type Monitor = RowOf<typeof pool>['monitor']

export const pools: Pick<Decide<typeof state>, Kinds> = {
  CreatePool: ({ monitor, ...request }, context) => {
    requireSoundMonitor(monitor ?? null)
    const uid = context.uid()
    context.emit('PoolCreated', { uid, ...request, monitor: monitor ?? null })
    return { uid }
  },
  UpdatePool: ({ project, name, withoutMonitor, ...changes }, context) => {
    const { uid } = context.target('pool', project, name)
    if (withoutMonitor && changes.monitor !== undefined)
      reject('INVALID_ARGUMENT', 'withoutMonitor: a monitor is given as well', { field: 'withoutMonitor' })
    requireSoundMonitor(changes.monitor ?? null)
    context.emit('PoolUpdated', { uid, ...changes, monitor: withoutMonitor ? null : changes.monitor })
    return { uid }
  },
  DeletePool: ({ project, name }, context) => {
    const { uid } = context.target('pool', project, name)
    context.remove(contract, 'pool', uid)
    return { uid }
  },
  CreateMember: (request, context) => {
    const { project } = request
    const of = context.need(contract, 'pool', project, request.pool)
    const uid = context.uid()
    context.emit('MemberCreated', {
      uid,
      ...request,
      pool: of.uid,
      ...endpointOf(context, request),
      health: 'UNKNOWN',
      healthReason: '',
    })
    return { uid }
  },
  UpdateMember: ({ project, name, ...changes }, context) => {
    const { uid } = context.target('member', project, name)
    context.emit('MemberUpdated', { uid, ...changes })
    return { uid }
  },
  DeleteMember: ({ project, name }, context) => {
    const { uid } = context.target('member', project, name)
    context.remove(contract, 'member', uid)
    return { uid }
  },
  ReportHealth: ({ changes }, context) => {
    let recorded = 0
    for (const { member: uid, health, reason } of changes) {
      const member = context.state.member.get(uid)
      if (member === undefined || member.health === health) continue
      context.emit('MemberHealthChanged', { uid, health, healthReason: reason })
      recorded++
    }
    return { recorded }
  },
}

function endpointOf(
  context: Context,
  request: {
    readonly project: string
    readonly instance?: string | undefined
    readonly address?: string | undefined
  },
): { readonly instance: string | null; readonly address: string | null } {
  const { project, instance, address } = request
  if ((instance === undefined) === (address === undefined))
    reject('INVALID_ARGUMENT', 'give either instance or address', { field: 'instance' })
  if (address !== undefined) {
    requireReachable(context, address)
    return { instance: null, address }
  }
  return { instance: context.need(vmContract, 'instance', project, instance ?? '').uid, address: null }
}

/** A balancer connects from where it runs: what is near to it, its own machine above all, is not for tenants to reach. */
function requireReachable(context: Context, address: string): void {
  if (isPublic(address) || context.allows('lb.members.create')) return
  reject(
    'INVALID_ARGUMENT',
    `${address} is no public address: a member is an instance (give that), or has a public address; any other address takes lb.members.create everywhere, as operators have it`,
    { field: 'address' },
  )
}

function requireSoundMonitor(monitor: Monitor): void {
  if (monitor !== null && monitor.timeoutMilliseconds > monitor.intervalMilliseconds)
    reject(
      'INVALID_ARGUMENT',
      `monitor.timeoutMilliseconds: ${monitor.timeoutMilliseconds} is above the interval of ${monitor.intervalMilliseconds}`,
      { field: 'monitor.timeoutMilliseconds' },
    )
}
