import creditContract from '../../credit/contract.ts'
import type { Context, Decide } from '../../kernel/domain.ts'
import { reject } from '../../kernel/rejection.ts'
import contract from '../contract.ts'
import { isBelow, requireMailbox, requireName, suffixes } from '../names.ts'
import type state from '../state.ts'

export const zones: Pick<Decide<typeof state>, 'CreateZone' | 'UpdateZone' | 'DeleteZone'> = {
  CreateZone: ({ nameservers, mailbox, ...request }, context) => {
    const name = requireName('name', request.name)
    if (name === '.') reject('INVALID_ARGUMENT', 'name: the root cannot be a zone here', { field: 'name' })
    requireRoom(context, request.project, name)
    const servers = nameServers(nameservers.length > 0 ? nameservers : [`ns1.${name}`])
    const uid = context.uid()
    context.emit('ZoneCreated', {
      uid,
      ...request,
      name,
      primary: servers[0] ?? '',
      mailbox: requireMailbox(mailbox ?? `hostmaster.${name}`),
      nameservers: servers,
    })
    context.run(creditContract, 'Reserve', {
      project: request.project,
      holderKind: 'zone',
      holder: uid,
      amounts: [{ class: 'zones', amount: 1 }],
    })
    return { uid }
  },
  UpdateZone: ({ project, name, nameservers, mailbox, ...changes }, context) => {
    const { uid } = context.target('zone', project, requireName('name', name))
    const servers = nameservers === undefined ? undefined : nameServers(nameservers)
    context.emit('ZoneUpdated', {
      uid,
      ...changes,
      nameservers: servers,
      primary: servers?.[0],
      mailbox: mailbox === undefined ? undefined : requireMailbox(mailbox),
    })
    return { uid }
  },
  DeleteZone: ({ project, name }, context) => {
    const { uid } = context.target('zone', project, requireName('name', name))
    context.remove(contract, 'zone', uid)
    return { uid }
  },
}

function nameServers(names: readonly string[]): string[] {
  return [...new Set(names.map((name) => requireName('nameservers', name)))]
}

/** One server answers for all zones, so a zone of one tenant must not take names out of another’s. */
function requireRoom(context: Context<typeof state>, project: string, name: string): void {
  const { zone, record_set: recordSet } = context.state
  const same = zone.find('domain', name)
  if (same !== undefined)
    reject(
      'ALREADY_EXISTS',
      `zone ${name} exists already${same.project === project ? '' : ' in another project'}`,
    )
  for (const above of suffixes(name).slice(1)) {
    const parent = zone.find('domain', above)
    if (parent === undefined) continue
    if (parent.project !== project)
      reject('FAILED_PRECONDITION', `zone ${name} would be inside the zone ${above} of another project`)
    const hidden = recordSet
      .list('zone', parent.uid)
      .find(({ domainName, type }) => isBelow(domainName, name) || (domainName === name && type !== 'NS'))
    if (hidden !== undefined)
      reject(
        'FAILED_PRECONDITION',
        `zone ${name} would hide ${hidden.name} of zone ${above}: delete that first`,
        {
          recordSet: hidden.name,
        },
      )
  }
  for (const other of zone.values()) {
    if (other.project !== project && isBelow(other.name, name))
      reject('FAILED_PRECONDITION', `zone ${name} would be around the zone of another project`)
  }
}
