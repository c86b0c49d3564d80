import type { Decide } from '../../kernel/domain.ts'
import { nameKey } from '../../kernel/domain.ts'
import { reject } from '../../kernel/rejection.ts'
import contract from '../contract.ts'
import { adminRole, builtInRoles } from '../roles.ts'
import type state from '../state.ts'

/** The one organization, project and user that Bootstrap makes. */
const FIRST = 'default'

export const bootstrap: Pick<Decide<typeof state>, 'Bootstrap'> = {
  Bootstrap: (_request, context) => {
    if (context.state.role.find('name', nameKey('', adminRole)) !== undefined)
      reject('FAILED_PRECONDITION', 'the cloud has its administrator already')
    for (const { name, description, permissions } of builtInRoles) {
      context.emit('RoleCreated', {
        uid: context.uid(),
        name,
        labels: {},
        description,
        permissions: [...permissions],
        builtIn: true,
      })
    }
    const labels = {}
    context.run(contract, 'CreateOrganization', {
      name: FIRST,
      labels,
      description: 'The first organization.',
    })
    context.run(contract, 'CreateProject', {
      organization: FIRST,
      name: FIRST,
      labels,
      description: 'The first project.',
    })
    const { uid: user } = context.run(contract, 'CreateUser', {
      name: adminRole,
      labels,
      description: 'The first administrator.',
    })
    context.run(contract, 'CreateBinding', { name: adminRole, labels, user: adminRole, role: adminRole })
    const { token } = context.run(contract, 'IssueToken', {
      user: adminRole,
      description: 'The first administrator’s.',
    })
    return { token, user }
  },
}
