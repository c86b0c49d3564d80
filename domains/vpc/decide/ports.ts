import creditContract from '../../credit/contract.ts'
import type { RowOf } from '../../kernel/contract.ts'
import type { Context, Decide } from '../../kernel/domain.ts'
import {
  addressKey,
  formatAddress,
  lowestFreeAddress,
  parseAddress,
  parseCidr,
  type Range,
} from '../../kernel/ipv4.ts'
import { reject } from '../../kernel/rejection.ts'
import vmContract from '../../vm/contract.ts'
import { macOf, usable } from '../address.ts'
import contract, { type subnet } from '../contract.ts'
import type state from '../state.ts'

type Ports = 'AllocatePort' | 'UpdatePort' | 'BindPort' | 'ReleasePort'
type Subnet = RowOf<typeof subnet>

export const ports: Pick<Decide<typeof state>, Ports> = {
  AllocatePort: (request, context) => {
    const { project, name, labels } = request
    const subnet = context.need(contract, 'subnet', project, request.subnet)
    const instance = request.instance ?? null
    if (instance !== null) requireInstanceOf(context, project, instance)
    const address =
      request.address === undefined
        ? lowestFree(context, subnet)
        : requireFree(context, subnet, parseAddress(request.address))
    const uid = context.uid()
    const mac = macOf(address)
    context.emit('PortAllocated', {
      uid,
      project,
      name,
      labels,
      subnet: subnet.uid,
      address: formatAddress(address),
      mac,
      securityGroups: groupsOf(context, project, subnet.vpc, request.securityGroups),
      instance,
      state: 'down',
      host: null,
      incarnation: null,
    })
    context.run(creditContract, 'Reserve', {
      project,
      holderKind: 'port',
      holder: uid,
      amounts: [{ class: 'ports', amount: 1 }],
    })
    return { uid, address: formatAddress(address), mac }
  },
  UpdatePort: ({ project, name, labels, securityGroups }, context) => {
    const port = context.target('port', project, name)
    const { vpc } = requireSubnet(context, port.subnet)
    const groups = securityGroups === undefined ? undefined : groupsOf(context, project, vpc, securityGroups)
    context.emit('PortUpdated', { uid: port.uid, labels, securityGroups: groups })
    return { uid: port.uid }
  },
  BindPort: ({ port: uid, ...binding }, context) => {
    const port = context.state.port.get(uid)
    if (port === undefined) return reject('NOT_FOUND', `vpc.port ${uid} does not exist`)
    const same =
      port.state === binding.state && port.host === binding.host && port.incarnation === binding.incarnation
    if (!same) context.emit('PortBound', { uid, ...binding })
    return { uid }
  },
  ReleasePort: ({ project, name }, context) => {
    const { uid, instance } = context.target('port', project, name)
    if (instance !== null) {
      const holder = context.resource(vmContract, 'instance').get(instance)?.name ?? instance
      reject('FAILED_PRECONDITION', `port ${name} goes with instance ${holder}: delete that`, {
        instance: holder,
      })
    }
    context.remove(contract, 'port', uid)
    return { uid }
  },
}

function requireInstanceOf(context: Context, project: string, uid: string): void {
  if (context.resource(vmContract, 'instance').get(uid)?.project !== project)
    reject('NOT_FOUND', `vm.instance ${uid} does not exist in project ${project}`)
}

function requireSubnet(context: Context<typeof state>, uid: string): Subnet {
  return context.state.subnet.get(uid) ?? reject('NOT_FOUND', `vpc.subnet ${uid} does not exist`)
}

function rangeOf({ cidr }: Subnet): Range {
  return parseCidr(cidr) ?? reject('INTERNAL', `${cidr} is no network`)
}

function lowestFree({ state: { port } }: Context<typeof state>, subnet: Subnet): number {
  const { first, last } = usable(rangeOf(subnet))
  const found = lowestFreeAddress(port, subnet.uid, first, last)
  if (found !== undefined) return found
  const total = last - first + 1
  return reject(
    'POOL_EXHAUSTED',
    `subnet ${subnet.name} (${subnet.cidr}) has ${total} addresses for ports, and all are taken: 1 more is 1 too many`,
    { subnet: subnet.name, total, used: port.sum('taken', subnet.uid), requested: 1, over: 1 },
  )
}

function requireFree({ state: { port } }: Context<typeof state>, subnet: Subnet, address: number): number {
  const { first, last } = usable(rangeOf(subnet))
  if (address < first || address > last)
    reject(
      'INVALID_ARGUMENT',
      `address: ${formatAddress(address)} is not from ${formatAddress(first)} to ${formatAddress(last)}, which ports of subnet ${subnet.name} can have`,
      { field: 'address' },
    )
  const holder = port.find('address', addressKey(subnet.uid, address))
  if (holder !== undefined)
    reject('ALREADY_EXISTS', `${formatAddress(address)} is the address of port ${holder.name}`, {
      port: holder.name,
    })
  return address
}

function groupsOf(context: Context, project: string, vpc: string, names: readonly string[]): string[] {
  return names.map((name) => {
    const group = context.need(contract, 'security_group', project, name)
    if (group.vpc !== vpc)
      reject('INVALID_ARGUMENT', `securityGroups: ${name} belongs to another vpc than the subnet`, {
        field: 'securityGroups',
      })
    return group.uid
  })
}
