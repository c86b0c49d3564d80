import creditContract from '../../credit/contract.ts'
import type { Context, Decide } from '../../kernel/domain.ts'
import { addressKey, formatAddress, lowestFreeAddress, parseAddress, parseCidr } from '../../kernel/ipv4.ts'
import { reject } from '../../kernel/rejection.ts'
import contract, { addressPool } from '../contract.ts'
import type state from '../state.ts'
import { CLUSTER, portKey } from '../state.ts'

type Kinds = `${'Create' | 'Update' | 'Delete'}${'LoadBalancer' | 'Listener'}`

export const loadBalancers: Pick<Decide<typeof state>, Kinds> = {
  CreateLoadBalancer: ({ address: wanted, ...request }, context) => {
    const address = formatAddress(
      wanted === undefined ? lowestFree(context) : requireFree(context, parseAddress(wanted)),
    )
    const uid = context.uid()
    context.emit('LoadBalancerCreated', { uid, ...request, address })
    context.run(creditContract, 'Reserve', {
      project: request.project,
      holderKind: 'load-balancer',
      holder: uid,
      amounts: [{ class: 'load-balancers', amount: 1 }],
    })
    return { uid, address }
  },
  UpdateLoadBalancer: ({ project, name, labels }, context) => {
    const { uid } = context.target('load_balancer', project, name)
    context.emit('LoadBalancerUpdated', { uid, labels })
    return { uid }
  },
  DeleteLoadBalancer: ({ project, name }, context) => {
    const { uid } = context.target('load_balancer', project, name)
    context.remove(contract, 'load_balancer', uid)
    return { uid }
  },
  CreateListener: (request, context) => {
    const { project, port } = request
    const loadBalancer = context.need(contract, 'load_balancer', project, request.loadBalancer).uid
    const pool = context.need(contract, 'pool', project, request.pool).uid
    requirePortFree(context, loadBalancer, port, '')
    const uid = context.uid()
    context.emit('ListenerCreated', { uid, ...request, loadBalancer, pool })
    return { uid }
  },
  UpdateListener: ({ project, name, pool, ...changes }, context) => {
    const { uid, loadBalancer } = context.target('listener', project, name)
    if (changes.port !== undefined) requirePortFree(context, loadBalancer, changes.port, uid)
    const next = pool === undefined ? undefined : context.need(contract, 'pool', project, pool).uid
    context.emit('ListenerUpdated', { uid, ...changes, pool: next })
    return { uid }
  },
  DeleteListener: ({ project, name }, context) => {
    const { uid } = context.target('listener', project, name)
    context.remove(contract, 'listener', uid)
    return { uid }
  },
}

/** Without the network and the broadcast address of the pool. */
function poolRange(): { first: number; last: number } {
  const range = parseCidr(addressPool)
  if (range === undefined) return reject('INTERNAL', `${addressPool} is no network`)
  return { first: range.first + 1, last: range.last - 1 }
}

function lowestFree(context: Context<typeof state>): number {
  const { first, last } = poolRange()
  const total = last - first + 1
  return (
    lowestFreeAddress(context.state.load_balancer, CLUSTER, first, last) ??
    reject(
      'POOL_EXHAUSTED',
      `all ${total} addresses of the cluster’s pool ${addressPool} are taken: 1 more is 1 too many`,
      { pool: addressPool, total, used: total, requested: 1, over: 1 },
    )
  )
}

/** Only of the pool: a tenant must not make a balancer listen on the machine’s own addresses. */
function requireFree(context: Context<typeof state>, address: number): number {
  const { first, last } = poolRange()
  if (address < first || address > last)
    reject(
      'INVALID_ARGUMENT',
      `address: ${formatAddress(address)} is not from ${formatAddress(first)} to ${formatAddress(last)}, the cluster’s pool`,
      { field: 'address' },
    )
  if (context.state.load_balancer.find('address', addressKey(CLUSTER, address)) !== undefined)
    reject('ALREADY_EXISTS', `address: another load balancer has ${formatAddress(address)}`, {
      field: 'address',
    })
  return address
}

function requirePortFree(
  context: Context<typeof state>,
  loadBalancer: string,
  port: number,
  except: string,
): void {
  const found = context.state.listener.find('port', portKey(loadBalancer, port))
  if (found !== undefined && found.uid !== except)
    reject('ALREADY_EXISTS', `port: listener ${found.name} has port ${port} already`, {
      field: 'port',
      listener: found.name,
    })
}
