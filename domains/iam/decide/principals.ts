import type { Decide } from '../../kernel/domain.ts'
import { reject } from '../../kernel/rejection.ts'
import contract from '../contract.ts'
import type state from '../state.ts'
import { keepingAnAdmin } from './guard.ts'

type Principals =
  | `${'Create' | 'Update' | 'Suspend' | 'Resume' | 'Delete'}User`
  | `${'Create' | 'Update' | 'Suspend' | 'Resume' | 'Delete'}ServiceAccount`

export const principals: Pick<Decide<typeof state>, Principals> = {
  CreateUser: (request, context) => {
    const uid = context.uid()
    context.emit('UserCreated', { uid, suspended: false, ...request })
    return { uid }
  },
  UpdateUser: ({ name, ...changes }, context) => {
    const { uid } = context.target('user', '', name)
    context.emit('UserUpdated', { uid, ...changes })
    return { uid }
  },
  SuspendUser: ({ name }, context) => {
    const { uid, suspended } = context.target('user', '', name)
    requireSuspended(name, suspended, false)
    keepingAnAdmin(context, () => context.emit('UserSuspended', { uid, suspended: true }))
    return { uid }
  },
  ResumeUser: ({ name }, context) => {
    const { uid, suspended } = context.target('user', '', name)
    requireSuspended(name, suspended, true)
    context.emit('UserResumed', { uid, suspended: false })
    return { uid }
  },
  DeleteUser: ({ name }, context) => {
    const { uid } = context.target('user', '', name)
    keepingAnAdmin(context, () => context.remove(contract, 'user', uid))
    return { uid }
  },
  CreateServiceAccount: (request, context) => {
    const uid = context.uid()
    context.need(contract, 'project', '', request.project)
    context.emit('ServiceAccountCreated', { uid, suspended: false, ...request })
    return { uid }
  },
  UpdateServiceAccount: ({ project, name, ...changes }, context) => {
    const { uid } = context.target('service_account', project, name)
    context.emit('ServiceAccountUpdated', { uid, ...changes })
    return { uid }
  },
  SuspendServiceAccount: ({ project, name }, context) => {
    const { uid, suspended } = context.target('service_account', project, name)
    requireSuspended(name, suspended, false)
    context.emit('ServiceAccountSuspended', { uid, suspended: true })
    return { uid }
  },
  ResumeServiceAccount: ({ project, name }, context) => {
    const { uid, suspended } = context.target('service_account', project, name)
    requireSuspended(name, suspended, true)
    context.emit('ServiceAccountResumed', { uid, suspended: false })
    return { uid }
  },
  DeleteServiceAccount: ({ project, name }, context) => {
    const { uid } = context.target('service_account', project, name)
    context.remove(contract, 'service_account', uid)
    return { uid }
  },
}

function requireSuspended(name: string, suspended: boolean, wanted: boolean): void {
  if (suspended === wanted) return
  reject('FAILED_PRECONDITION', `${name} is ${suspended ? 'suspended already' : 'not suspended'}`)
}
