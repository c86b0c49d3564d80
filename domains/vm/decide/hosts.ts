import type { Decide } from '../../kernel/domain.ts'
import { nameKey } from '../../kernel/domain.ts'
import { reject } from '../../kernel/rejection.ts'
import contract from '../contract.ts'
import { mayRun } from '../contract_resources.ts'
import type { Host } from '../place.ts'
import type state from '../state.ts'
import { recordGone, settleInstance } from './observation.ts'
import type { VmContext } from './placement.ts'

type Hosts =
  | 'RegisterHost'
  | 'UpdateHost'
  | 'SetHostPolicy'
  | 'SuspectHost'
  | 'RecoverHost'
  | 'FenceHost'
  | 'DeleteHost'
  | 'ReportHost'

export const hosts: Pick<Decide<typeof state>, Hosts> = {
  RegisterHost: ({ name, ...inventory }, context) => {
    const host = context.state.host.find('name', nameKey('', name))
    if (host !== undefined) return registerAgain(context, host, inventory)
    const uid = context.uid()
    const { actor } = context
    context.emit('HostRegistered', {
      uid,
      name,
      ...inventory,
      labels: inventory.labels ?? {},
      serviceAccount: actor.kind === 'service_account' ? actor.principal : null,
      policy: 'in-service',
      health: 'up',
      healthReason: '',
      quarantined: [],
    })
    return { uid }
  },
  UpdateHost: ({ name, labels }, context) => {
    const { uid } = context.target('host', '', name)
    context.emit('HostUpdated', { uid, labels })
    return { uid }
  },
  SetHostPolicy: ({ name, policy }, context) => {
    const host = context.target('host', '', name)
    requireKept(host)
    if (policy === 'expunged') requireEmpty(context, host)
    if (policy !== host.policy) context.emit('HostPolicySet', { uid: host.uid, policy })
    return { uid: host.uid }
  },
  SuspectHost: ({ name, reason }, context) => {
    const { uid, health } = context.target('host', '', name)
    if (health !== 'up') reject('FAILED_PRECONDITION', `host ${name} is ${health} already`)
    context.emit('HostSuspected', { uid, health: 'suspected', healthReason: reason })
    return { uid }
  },
  RecoverHost: ({ name }, context) => {
    const { uid, health } = context.target('host', '', name)
    if (health === 'fenced')
      reject('FAILED_PRECONDITION', `host ${name} is fenced: it must register again first`)
    if (health === 'up') reject('FAILED_PRECONDITION', `host ${name} is up already`)
    context.emit('HostRecovered', { uid, health: 'up', healthReason: '' })
    return { uid }
  },
  FenceHost: ({ name, evidence }, context) => {
    const { uid, health } = context.target('host', '', name)
    if (health !== 'suspected')
      reject('FAILED_PRECONDITION', `host ${name} is ${health}: only one that is suspected can be fenced`)
    context.emit('HostFenced', { uid, health: 'fenced', healthReason: evidence })
    const held = context.state.incarnation.list('holding', uid)
    for (const incarnation of held) {
      context.emit('IncarnationFenced', {
        uid: incarnation.uid,
        intent: 'destroyed',
        lifecycle: 'fenced',
        reason: `host ${name} was fenced`,
        since: context.now,
        guestReady: false,
        forwards: [],
      })
      settleInstance(context, incarnation)
    }
    return { uid, incarnations: held.length }
  },
  DeleteHost: ({ name }, context) => {
    const host = context.target('host', '', name)
    requireEmpty(context, host)
    for (const incarnation of context.state.incarnation.list('host', host.uid)) {
      context.remove(contract, 'incarnation', incarnation.uid)
      if (context.state.instance.get(incarnation.instance)?.incarnation === incarnation.uid)
        context.emit('InstanceObserved', { uid: incarnation.instance, host: null, incarnation: null })
    }
    context.remove(contract, 'host', host.uid)
    return { uid: host.uid }
  },
  ReportHost: ({ name, seenRevision, incarnations, quarantined, conditions }, context) => {
    const { uid } = context.need(contract, 'host', '', name)
    const host = requireWordOf(context, uid)
    if (isOther(host.quarantined, quarantined) || isOther(host.conditions, conditions))
      context.emit('HostReported', { uid, quarantined, conditions })
    const named = new Set(incarnations)
    let gone = 0
    for (const incarnation of context.state.incarnation.list('host', uid)) {
      const { uid: present, intent, lifecycle, revision } = incarnation
      const over = intent !== 'running' && (mayRun(lifecycle) || lifecycle === 'fenced')
      if (!over || named.has(present) || revision > seenRevision) continue
      recordGone(context, incarnation, `host ${name} does not have it any more`)
      gone++
    }
    return { uid, gone }
  },
}

/** Rejects with PERMISSION_DENIED unless the actor speaks for the host: its account, or a process of the cloud itself. */
export function requireWordOf(context: VmContext, uid: string): Host {
  const host = context.state.host.get(uid) ?? reject('NOT_FOUND', `vm.host ${uid} does not exist`)
  const { kind, principal } = context.actor
  if (kind === 'process' || host.serviceAccount === principal) return host
  return reject('PERMISSION_DENIED', `only the account of host ${host.name} can report for it`)
}

type Inventory = Pick<Host, 'vcpus' | 'memoryMebibytes' | 'acceleration' | 'conditions' | 'address'> & {
  readonly labels?: Readonly<Record<string, string>> | undefined
}

function registerAgain(context: VmContext, host: Host, inventory: Inventory): { uid: string } {
  const { uid, name } = host
  const { actor } = context
  requireKept(host)
  if (
    actor.kind === 'service_account' &&
    host.serviceAccount !== null &&
    host.serviceAccount !== actor.principal
  )
    reject('PERMISSION_DENIED', `host ${name} belongs to another service account`)
  const known = Object.entries(inventory).every(
    ([field, value]) => value === undefined || !isOther(host[field as keyof Inventory], value),
  )
  const serviceAccount = actor.kind === 'service_account' ? actor.principal : host.serviceAccount
  if (!known || serviceAccount !== host.serviceAccount)
    context.emit('HostUpdated', {
      uid,
      ...inventory,
      labels: inventory.labels === undefined ? undefined : { ...inventory.labels },
      conditions: [...inventory.conditions],
      serviceAccount,
    })
  if (host.health === 'fenced') context.emit('HostRecovered', { uid, health: 'up', healthReason: '' })
  return { uid }
}

function isOther(known: unknown, reported: unknown): boolean {
  return reported !== undefined && JSON.stringify(known) !== JSON.stringify(reported)
}

function requireKept({ name, policy }: Host): void {
  if (policy === 'expunged')
    reject('FAILED_PRECONDITION', `host ${name} is expunged: delete it, and register it under another name`)
}

function requireEmpty(context: VmContext, { uid, name }: Host): void {
  const [first, ...more] = context.state.incarnation.list('holding', uid)
  if (first !== undefined)
    reject(
      'IN_USE',
      `${first.name}${more.length > 0 ? ` and ${more.length} more incarnations` : ''} may run on host ${name}: end them, or fence the host`,
      { incarnations: more.length + 1 },
    )
}
