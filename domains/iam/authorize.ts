import type { RowOf } from '../kernel/contract.ts'
import { type Actor, type Authorize, nameKey, type Resources, type View } from '../kernel/domain.ts'
import contract, { type binding } from './contract.ts'
import { covers } from './permissions.ts'
import state from './state.ts'

export type IamView = View<typeof state>
type Binding = RowOf<typeof binding>

/** A place where permissions hold. The name of the system is ''. */
export interface Place {
  readonly scope: 'system' | 'organization' | 'project'
  readonly name: string
}

/** A binding together with what it gives. */
export interface Grant {
  readonly place: Place
  readonly role: string
  readonly permissions: readonly string[]
}

/** What the bindings of a principal give, whether it is suspended or not. */
export function grantsOf(view: IamView, principal: string): readonly Grant[] {
  return view.binding.list('principal', principal).map((binding) => {
    const role = view.role.get(binding.role)
    return { place: placeOf(binding), role: role?.name ?? '', permissions: role?.permissions ?? [] }
  })
}

export function placeOf({ scopeKind, organization, boundProject }: Binding): Place {
  return { scope: scopeKind, name: organization ?? boundProject ?? '' }
}

/** The grant by which a principal holds all of a pattern at a place. */
function holds(view: IamView, principal: string, pattern: string, place: Place): Grant | undefined {
  return grantsOf(view, principal).find(
    (grant) => reaches(view, grant.place, place) && grant.permissions.some((given) => covers(given, pattern)),
  )
}

/** The system is around every organization, and an organization around its projects. */
function reaches(view: IamView, outer: Place, inner: Place): boolean {
  if (outer.scope === 'system') return true
  if (outer.scope === inner.scope) return outer.name === inner.name
  if (outer.scope !== 'organization' || inner.scope !== 'project') return false
  return view.project.find('name', nameKey('', inner.name))?.organization === outer.name
}

/** The row of a principal; undefined when it is not there. */
export function principalOf(resources: Resources, uid: string) {
  return (
    resources.resource(contract, 'user').get(uid) ?? resources.resource(contract, 'service_account').get(uid)
  )
}

function describe({ scope, name }: Place): string {
  return scope === 'system' ? 'everywhere' : `in ${scope} ${name}`
}

/** Decides by bindings alone; processes of the cloud itself may do everything. */
export const authorize: Authorize = (resources, actor, permission, scope, name) => {
  if (actor.kind === 'process')
    return { allowed: true, why: `${actor.principal} is a process of the cloud itself` }
  const principal = principalOf(resources, actor.principal)
  if (principal === undefined)
    return { allowed: false, why: `there is no user or service account ${actor.principal}` }
  if (principal.suspended) return { allowed: false, why: `${principal.name} is suspended` }
  const place = { scope, name }
  const grant = holds(resources.view(state), actor.principal, permission, place)
  if (grant === undefined)
    return {
      allowed: false,
      why: `${principal.name} has no binding to a role with ${permission} ${describe(place)}`,
    }
  return {
    allowed: true,
    why: `${principal.name} has the role ${grant.role} ${describe(grant.place)}, and that has ${permission}`,
  }
}

/** The first of the patterns that an actor does not hold at a place; undefined when it holds them all. */
export function missing(
  view: IamView,
  actor: Actor,
  patterns: readonly string[],
  place: Place,
): string | undefined {
  if (actor.kind === 'process') return undefined
  return patterns.find((pattern) => holds(view, actor.principal, pattern, place) === undefined)
}
