import type { Context } from '../../kernel/domain.ts'
import { nameKey } from '../../kernel/domain.ts'
import { reject } from '../../kernel/rejection.ts'
import { grantsOf, missing, type Place } from '../authorize.ts'
import { adminRole } from '../roles.ts'
import type state from '../state.ts'

export type IamContext = Context<typeof state>

/** Rejects with PERMISSION_DENIED unless the actor itself holds what it is about to give. */
export function requireHeld(context: IamContext, patterns: readonly string[], place: Place): void {
  const lacking = missing(context.state, context.actor, patterns, place)
  if (lacking === undefined) return
  const where = place.scope === 'system' ? 'everywhere' : `in ${place.scope} ${place.name}`
  reject('PERMISSION_DENIED', `you cannot give ${lacking} ${where}, because you do not have it there`, {
    permission: lacking,
    ...place,
  })
}

/** Rejects with PERMISSION_DENIED unless the actor holds all that a principal holds. */
export function requireHeldOf(context: IamContext, principal: string): void {
  for (const { permissions, place } of grantsOf(context.state, principal))
    requireHeld(context, permissions, place)
}

/** Makes a change, and rejects it with FAILED_PRECONDITION when it takes the last active user with the role admin away. */
export function keepingAnAdmin(context: IamContext, change: () => void): void {
  const before = hasAdmin(context)
  change()
  if (before && !hasAdmin(context))
    reject(
      'FAILED_PRECONDITION',
      'it would leave the cloud without an active user with the role admin: give that role to another first',
    )
}

function hasAdmin({ state }: IamContext): boolean {
  const admin = state.role.find('name', nameKey('', adminRole))
  if (admin === undefined) return false
  return state.binding.list('role', admin.uid).some(({ scopeKind, user }) => {
    if (scopeKind !== 'system' || user === null) return false
    return state.user.get(user)?.suspended === false
  })
}
