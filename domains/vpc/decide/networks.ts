import dnsContract from '../../dns/contract.ts'
import type { Context, Decide } from '../../kernel/domain.ts'
import { contains, formatAddress, overlaps, parseCidr, type Range } from '../../kernel/ipv4.ts'
import { reject } from '../../kernel/rejection.ts'
import { requireRange } from '../address.ts'
import contract from '../contract.ts'
import type state from '../state.ts'

type Networks = `${'Create' | 'Update' | 'Delete'}${'Vpc' | 'Subnet'}`

export const networks: Pick<Decide<typeof state>, Networks> = {
  CreateVpc: ({ dnsZone, ...request }, context) => {
    requireRange(request.cidr)
    const uid = context.uid()
    context.emit('VpcCreated', { uid, ...request, dnsZone: zoneOf(context, request.project, dnsZone) })
    return { uid }
  },
  UpdateVpc: ({ project, name, labels, dnsZone }, context) => {
    const { uid } = context.target('vpc', project, name)
    const zone = dnsZone === undefined ? undefined : zoneOf(context, project, dnsZone)
    context.emit('VpcUpdated', { uid, labels, dnsZone: zone })
    return { uid }
  },
  DeleteVpc: ({ project, name }, context) => {
    const { uid } = context.target('vpc', project, name)
    context.remove(contract, 'vpc', uid)
    return { uid }
  },
  CreateSubnet: ({ vpc: vpcName, ...request }, context) => {
    const range = requireRange(request.cidr)
    const vpc = context.need(contract, 'vpc', request.project, vpcName)
    const around = parseCidr(vpc.cidr)
    if (around === undefined || !contains(around, range))
      reject('INVALID_ARGUMENT', `cidr: ${request.cidr} is not inside ${vpc.cidr} of vpc ${vpcName}`, {
        field: 'cidr',
      })
    requireApart(context, vpc.uid, request.cidr, range)
    const uid = context.uid()
    context.emit('SubnetCreated', {
      uid,
      ...request,
      vpc: vpc.uid,
      gateway: formatAddress(range.first + 1),
    })
    return { uid }
  },
  UpdateSubnet: ({ project, name, labels }, context) => {
    const { uid } = context.target('subnet', project, name)
    context.emit('SubnetUpdated', { uid, labels })
    return { uid }
  },
  DeleteSubnet: ({ project, name }, context) => {
    const { uid } = context.target('subnet', project, name)
    context.remove(contract, 'subnet', uid)
    return { uid }
  },
}

function zoneOf(context: Context, project: string, name: string): string | null {
  if (name === '') return null
  const canonical = name.toLowerCase().replace(/\.$/, '')
  return context.need(dnsContract, 'zone', project, canonical).uid
}

function requireApart(context: Context<typeof state>, vpc: string, cidr: string, range: Range): void {
  for (const other of context.state.subnet.list('vpc', vpc)) {
    const taken = parseCidr(other.cidr)
    if (taken !== undefined && overlaps(taken, range))
      reject('FAILED_PRECONDITION', `${cidr} overlaps ${other.cidr} of subnet ${other.name}`, {
        subnet: other.name,
        cidr: other.cidr,
      })
  }
}
