import type { Decide } from '../../kernel/domain.ts'
import { parseCidr } from '../../kernel/ipv4.ts'
import { reject } from '../../kernel/rejection.ts'
import contract from '../contract.ts'
import type state from '../state.ts'

type SecurityGroups = `${'Create' | 'Update' | 'Delete'}SecurityGroup`

export const securityGroups: Pick<Decide<typeof state>, SecurityGroups> = {
  CreateSecurityGroup: ({ vpc, ...request }, context) => {
    requireSoundRules(request.rules)
    const uid = context.uid()
    const network = context.need(contract, 'vpc', request.project, vpc)
    context.emit('SecurityGroupCreated', { uid, ...request, vpc: network.uid })
    return { uid }
  },
  UpdateSecurityGroup: ({ project, name, labels, rules }, context) => {
    const { uid } = context.target('security_group', project, name)
    requireSoundRules(rules ?? [])
    context.emit('SecurityGroupUpdated', { uid, labels, rules })
    return { uid }
  },
  DeleteSecurityGroup: ({ project, name }, context) => {
    const { uid } = context.target('security_group', project, name)
    context.remove(contract, 'security_group', uid)
    return { uid }
  },
}

interface Rule {
  readonly protocol: string
  readonly portFirst: number
  readonly portLast: number
  readonly remoteCidr: string
}

function requireSoundRules(rules: readonly Rule[]): void {
  for (const [i, { protocol, portFirst, portLast, remoteCidr }] of rules.entries()) {
    const field = `rules.${i}`
    if (portFirst > portLast)
      reject('INVALID_ARGUMENT', `${field}: portFirst ${portFirst} is above portLast ${portLast}`, { field })
    if ((protocol === 'icmp' || protocol === 'any') && (portFirst !== 0 || portLast !== 65_535))
      reject('INVALID_ARGUMENT', `${field}: ${protocol} has no ports; leave them away`, { field })
    if (parseCidr(remoteCidr) === undefined)
      reject('INVALID_ARGUMENT', `${field}: remoteCidr ${remoteCidr} has host bits set`, { field })
  }
}
