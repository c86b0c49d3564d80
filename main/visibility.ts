import iam from '../domains/iam/contract.ts'
import { builtInRoles } from '../domains/iam/roles.ts'
import { type Actor, nameKey, type Verdict } from '../domains/kernel/domain.ts'
import type { Engine } from '../domains/kernel/engine.ts'
import type { Kind } from '../domains/kernel/registry.ts'
import { reject } from '../domains/kernel/rejection.ts'

/** Where a permission is asked for: `name` is the project's or organization's name, '' for the system. */
export interface Place {
  readonly scope: 'system' | 'organization' | 'project'
  readonly name: string
}

/**
 * What an actor may see: rows of these projects, or of these names; undefined: all rows. Each with the revision it was created at:
 * what is older was of another tenant that had the name before.
 */
export type Visible =
  | { readonly column: 'project' | 'name'; readonly since: Readonly<Record<string, number>> }
  | undefined

export const system: Place = { scope: 'system', name: '' }

/** The permission to read a kind. */
export function readPermission(kind: Kind): string {
  return `${kind.contract.name}.${kind.resource.plural}.get`
}

/** Where the permission to read a row is asked for: in its project; of a project or an organization, in itself; else in the system. */
export function placeOf(kind: Kind, name: string, project: string | undefined): Place {
  if (kind.resource.scope === 'project') return { scope: 'project', name: project ?? '' }
  if (kind.id === 'iam.project') return { scope: 'project', name }
  if (kind.id === 'iam.organization') return { scope: 'organization', name }
  return system
}

/** What whoever may read it in some project or organization may read though it is of none: all images, and the roles of every cloud. */
const shared: ReadonlyMap<string, Visible> = new Map([
  ['vm.image', undefined],
  ['iam.role', { column: 'name', since: Object.fromEntries(builtInRoles.map(({ name }) => [name, 0])) }],
])

/**
 * What of a kind an actor may read, by today's policy: everything with the permission for the system; else the rows of the
 * projects for which it has it (of the organizations and projects themselves: those); images and the roles of every cloud with the
 * permission for any of them. Rejects with PERMISSION_DENIED where that
 * is nothing.
 */
export function visible(engine: Engine, actor: Actor, kind: Kind, project: string | undefined): Visible {
  const permission = readPermission(kind)
  const everywhere = verdict(engine, actor, permission, system)
  if (everywhere.allowed) return undefined
  if (project !== undefined && kind.resource.scope === 'project') {
    const place = { scope: 'project', name: project } as const
    const { allowed, why } = verdict(engine, actor, permission, place)
    if (!allowed) reject('PERMISSION_DENIED', why, { permission, project })
    return { column: 'project', since: { [project]: createdRevision(engine, place) } }
  }
  if (shared.has(kind.id) && isAllowedSomewhere(engine, actor, permission)) return shared.get(kind.id)
  const since: Record<string, number> = {}
  const scope = kind.id === 'iam.organization' ? 'organization' : 'project'
  if (placeOf(kind, '', '') !== system) {
    for (const { name, createdRevision: revision } of engine.state.resource(iam, scope).values())
      if (verdict(engine, actor, permission, { scope, name }).allowed) since[name] = revision
  }
  if (Object.keys(since).length === 0) reject('PERMISSION_DENIED', everywhere.why, { permission })
  return { column: kind.resource.scope === 'project' ? 'project' : 'name', since }
}

function isAllowedSomewhere(engine: Engine, actor: Actor, permission: string): boolean {
  for (const scope of ['organization', 'project'] as const)
    for (const { name } of engine.state.resource(iam, scope).values())
      if (verdict(engine, actor, permission, { scope, name }).allowed) return true
  return false
}

/** From which revision on an actor may see what is in a place: all of it with the permission for the system. */
export function sinceRevision(engine: Engine, actor: Actor, kind: Kind, place: Place): number {
  const everything = verdict(engine, actor, readPermission(kind), system).allowed
  return everything ? 0 : createdRevision(engine, place)
}

/** Since which revision there is the present project or organization of a name; 0 when there is none. */
function createdRevision(engine: Engine, { scope, name }: Place): number {
  if (scope === 'system') return 0
  return engine.state.resource(iam, scope).find('name', nameKey('', name))?.createdRevision ?? 0
}

/** Whether an actor has a permission, and why. */
export function verdict(engine: Engine, actor: Actor, permission: string, { scope, name }: Place): Verdict {
  for (const { authorize } of engine.registry.all.values()) {
    if (authorize !== undefined) return authorize(engine.state, actor, permission, scope, name)
  }
  return { allowed: false, why: 'no domain decides who may do what' }
}
