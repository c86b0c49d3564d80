import type { Decide } from '../../kernel/domain.ts'
import { reject } from '../../kernel/rejection.ts'
import contract from '../contract.ts'
import type state from '../state.ts'
import { requireHeld } from './guard.ts'

const everywhere = { scope: 'system', name: '' } as const

export const roles: Pick<Decide<typeof state>, 'CreateRole' | 'UpdateRole' | 'DeleteRole'> = {
  CreateRole: (request, context) => {
    requireHeld(context, request.permissions, everywhere)
    const uid = context.uid()
    context.emit('RoleCreated', { uid, builtIn: false, ...request })
    return { uid }
  },
  UpdateRole: ({ name, ...changes }, context) => {
    const role = context.target('role', '', name)
    requireOwn(role)
    requireHeld(context, changes.permissions ?? [], everywhere)
    context.emit('RoleUpdated', { uid: role.uid, ...changes })
    return { uid: role.uid }
  },
  DeleteRole: ({ name }, context) => {
    const role = context.target('role', '', name)
    requireOwn(role)
    context.remove(contract, 'role', role.uid)
    return { uid: role.uid }
  },
}

function requireOwn({ name, builtIn }: { readonly name: string; readonly builtIn: boolean }): void {
  if (builtIn) reject('FAILED_PRECONDITION', `the role ${name} is built in: create one of your own`)
}
