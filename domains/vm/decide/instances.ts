import creditContract from '../../credit/contract.ts'
import dnsContract from '../../dns/contract.ts'
import type { RowOf } from '../../kernel/contract.ts'
import type { Decide } from '../../kernel/domain.ts'
import { reject } from '../../kernel/rejection.ts'
import vpcContract from '../../vpc/contract.ts'
import contract from '../contract.ts'
import { type image, mayRun } from '../contract_resources.ts'
import type state from '../state.ts'
import type { Incarnation, Instance } from '../state.ts'
import { requirePlaced, type VmContext } from './placement.ts'

type Instances = `${'Create' | 'Update' | 'Start' | 'Stop' | 'Reboot' | 'Delete'}Instance`

/** Seconds: an instance’s address changes only when it is made anew. */
const PUBLISHED_TTL = 60

export const instances: Pick<Decide<typeof state>, Instances> = {
  CreateInstance: (request, context) => {
    const { project, name, labels, intent, vcpus, memoryMebibytes, userData, guestPorts } = request
    const image = context.need(contract, 'image', '', request.image)
    const subnet = context.need(vpcContract, 'subnet', project, request.subnet)
    requireMemory(image, memoryMebibytes)
    const uid = context.uid()
    context.emit('InstanceCreated', {
      ...unplaced,
      ...{ uid, project, name, labels, intent, vcpus, memoryMebibytes, userData, guestPorts },
      image: image.uid,
      subnet: subnet.uid,
      lifecycle: intent === 'running' ? 'pending' : 'stopped',
      securityGroups: request.securityGroups.map(
        (group) => context.need(vpcContract, 'security_group', project, group).uid,
      ),
    })
    reserve(context, uid)
    const { uid: port, address } = context.run(vpcContract, 'AllocatePort', {
      ...{ project, name, labels: {}, subnet: request.subnet, address: request.address },
      securityGroups: request.securityGroups,
      instance: uid,
    })
    const { dnsName, dnsRecord } = publish(context, uid, subnet.vpc, address)
    context.emit('InstanceUpdated', { uid, port, address, dnsName, dnsRecord })
    if (intent === 'running') requirePlaced(context, uid)
    const host = context.state.instance.get(uid)?.host ?? ''
    return { uid, address, host: context.state.host.get(host)?.name ?? '', dnsName }
  },
  UpdateInstance: ({ project, name, ...changes }, context) => {
    const instance = context.target('instance', project, name)
    requireWanted(instance)
    const image = context.state.image.get(instance.image)
    if (image !== undefined && changes.memoryMebibytes !== undefined)
      requireMemory(image, changes.memoryMebibytes)
    context.emit('InstanceUpdated', { uid: instance.uid, ...changes })
    const resized =
      (changes.vcpus ?? instance.vcpus) !== instance.vcpus ||
      (changes.memoryMebibytes ?? instance.memoryMebibytes) !== instance.memoryMebibytes
    if (resized) {
      context.run(creditContract, 'Release', { project, holder: instance.uid })
      reserve(context, instance.uid)
    }
    return { uid: instance.uid }
  },
  StartInstance: ({ project, name }, context) => {
    const instance = context.target('instance', project, name)
    const { uid } = instance
    requireWanted(instance)
    const running = currentOf(context, instance)
    if (instance.intent === 'running' && running?.intent === 'running') return { uid }
    context.emit('InstanceIntentSet', {
      uid,
      intent: 'running',
      failures: 0,
      retryAt: context.now,
      lifecycle: running === undefined ? 'pending' : instance.lifecycle,
    })
    if (running === undefined) requirePlaced(context, uid)
    return { uid }
  },
  StopInstance: ({ project, name }, context) => {
    const instance = context.target('instance', project, name)
    const { uid } = instance
    requireWanted(instance)
    if (instance.intent === 'stopped') return { uid }
    const running = currentOf(context, instance)
    context.emit('InstanceIntentSet', {
      uid,
      intent: 'stopped',
      lifecycle: running === undefined ? 'stopped' : instance.lifecycle,
    })
    if (running?.intent === 'running')
      context.emit('IncarnationIntentSet', { uid: running.uid, intent: 'stopped' })
    return { uid }
  },
  RebootInstance: ({ project, name }, context) => {
    const instance = context.target('instance', project, name)
    requireWanted(instance)
    const running = currentOf(context, instance)
    if (instance.intent !== 'running' || running?.intent !== 'running')
      return reject(
        'FAILED_PRECONDITION',
        `instance ${name} does not run: its intent is ${instance.intent}, its lifecycle ${instance.lifecycle}`,
      )
    context.emit('IncarnationIntentSet', { uid: running.uid, intent: 'stopped' })
    return { uid: instance.uid }
  },
  DeleteInstance: ({ project, name }, context) => {
    const instance = context.target('instance', project, name)
    const { uid } = instance
    const running = currentOf(context, instance)
    if (instance.intent !== 'deleted') context.emit('InstanceIntentSet', { uid, intent: 'deleted' })
    if (running === undefined) {
      context.remove(contract, 'instance', uid)
      return { uid, gone: true }
    }
    if (running.intent !== 'destroyed')
      context.emit('IncarnationIntentSet', { uid: running.uid, intent: 'destroyed' })
    return { uid, gone: false }
  },
}

/** What a new instance has before it is placed. */
const unplaced = {
  port: null,
  address: '',
  dnsName: '',
  dnsRecord: null,
  host: null,
  incarnation: null,
  generation: 0,
  reason: '',
  guestReady: false,
  conditions: [],
  forwards: [],
  failures: 0,
  retryAt: 0,
}

/** The incarnation that may run; undefined where there is none. */
function currentOf(context: VmContext, { incarnation }: Instance): Incarnation | undefined {
  const found = incarnation === null ? undefined : context.state.incarnation.get(incarnation)
  return found !== undefined && mayRun(found.lifecycle) ? found : undefined
}

function requireWanted({ name, intent }: Instance): void {
  if (intent === 'deleted')
    reject('FAILED_PRECONDITION', `instance ${name} is being deleted: create another under another name`)
}

function requireMemory(of: RowOf<typeof image>, memoryMebibytes: number): void {
  if (memoryMebibytes < of.minimumMemoryMebibytes)
    reject(
      'INVALID_ARGUMENT',
      `memoryMebibytes: image ${of.name} needs ${of.minimumMemoryMebibytes} MiB, not ${memoryMebibytes}`,
      { field: 'memoryMebibytes' },
    )
}

function reserve(context: VmContext, uid: string): void {
  const instance = context.state.instance.get(uid)
  if (instance === undefined) return
  context.run(creditContract, 'Reserve', {
    project: instance.project,
    holderKind: 'instance',
    holder: uid,
    amounts: [
      { class: 'instances', amount: 1 },
      { class: 'vcpus', amount: instance.vcpus },
      { class: 'memory-mib', amount: instance.memoryMebibytes },
    ],
  })
}

/** Publishes the name of an instance in the zone of its VPC, where it has one. */
function publish(
  context: VmContext,
  uid: string,
  vpc: string,
  address: string,
): { readonly dnsName: string; readonly dnsRecord: string | null } {
  const zone = context.resource(vpcContract, 'vpc').get(vpc)?.dnsZone ?? ''
  const zoneName = context.resource(dnsContract, 'zone').get(zone)?.name
  const instance = context.state.instance.get(uid)
  if (zoneName === undefined || instance === undefined) return { dnsName: '', dnsRecord: null }
  const { uid: dnsRecord, domainName } = context.run(dnsContract, 'PutRecordSet', {
    project: instance.project,
    zone: zoneName,
    name: `${instance.name}.${zoneName}.`,
    type: 'A',
    ttl: PUBLISHED_TTL,
    values: [address],
    labels: {},
    instance: uid,
  })
  return { dnsName: domainName, dnsRecord }
}
