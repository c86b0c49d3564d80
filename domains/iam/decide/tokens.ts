import type { Decide } from '../../kernel/domain.ts'
import { reject } from '../../kernel/rejection.ts'
import contract from '../contract.ts'
import type state from '../state.ts'
import { type IamContext, requireHeldOf } from './guard.ts'

type Tokens =
  | 'IssueToken'
  | 'IssueServiceAccountToken'
  | 'RevokeToken'
  | 'RevokeServiceAccountToken'
  | 'DeleteToken'

export const tokens: Pick<Decide<typeof state>, Tokens> = {
  IssueToken: ({ user, ...request }, context) => {
    const { uid } = context.need(contract, 'user', '', user)
    return issue(context, { user: uid, serviceAccount: null }, request)
  },
  IssueServiceAccountToken: ({ project, serviceAccount, ...request }, context) => {
    const { uid } = context.need(contract, 'service_account', project, serviceAccount)
    return issue(context, { user: null, serviceAccount: uid }, request)
  },
  RevokeToken: ({ token }, context) => revoke(context, token),
  RevokeServiceAccountToken: ({ project, token }, context) => {
    const account = context.state.token.get(token)?.serviceAccount ?? ''
    if (context.state.service_account.get(account)?.project !== project)
      reject('NOT_FOUND', `iam.token ${token} is none of a service account of project ${project}`)
    return revoke(context, token)
  },
  DeleteToken: ({ token }, context) => {
    const { uid } = context.target('token', '', token)
    context.remove(contract, 'token', uid)
    return { uid }
  },
}

interface Principal {
  readonly user: string | null
  readonly serviceAccount: string | null
}

/** A token’s name is its uid. */
function issue(
  context: IamContext,
  principal: Principal,
  { description, expiresAt }: { readonly description: string; readonly expiresAt?: number | undefined },
): { token: string } {
  if (expiresAt !== undefined && expiresAt <= context.now)
    reject('INVALID_ARGUMENT', 'expiresAt: it has passed already', {
      field: 'expiresAt',
      now: context.now,
    })
  requireHeldOf(context, principal.user ?? principal.serviceAccount ?? '')
  const token = context.uid()
  context.emit('TokenIssued', {
    uid: token,
    name: token,
    labels: {},
    ...principal,
    description,
    expiresAt: expiresAt ?? null,
    revoked: false,
  })
  return { token }
}

function revoke(context: IamContext, token: string): { uid: string } {
  const { uid, revoked } = context.target('token', '', token)
  if (revoked) reject('FAILED_PRECONDITION', `token ${token} is revoked already`)
  context.emit('TokenRevoked', { uid, revoked: true })
  return { uid }
}
