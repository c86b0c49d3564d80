import iam from '../domains/iam/contract.ts'
import type { Actor, Verdict } from '../domains/kernel/domain.ts'
import type { Engine } from '../domains/kernel/engine.ts'
import type { Kind } from '../domains/kernel/registry.ts'
import { reject } from '../domains/kernel/rejection.ts'

/** Rows of these projects, or of these names, are what an actor may see; undefined: all rows. */
export type Visible = { readonly column: 'project' | 'name'; readonly values: readonly string[] } | undefined

/** The permission to read a kind. */
export function readPermission(kind: Kind): string {
  return `${kind.contract.name}.${kind.resource.plural}.get`
}

/**
 * What of a kind an actor may read, by today's policy: everything with the permission for the system; else the rows of the projects for which
 * it has it (of the organizations and projects themselves: those). Rejects with PERMISSION_DENIED where that is nothing.
 */
export function visible(engine: Engine, actor: Actor, kind: Kind, project: string | undefined): Visible {
  const permission = readPermission(kind)
  const may = (scope: 'system' | 'organization' | 'project', name: string): boolean =>
    verdict(engine, actor, permission, scope, name).allowed
  if (project !== undefined && kind.resource.scope === 'project') {
    const { allowed, why } = verdict(engine, actor, permission, 'project', project)
    if (!allowed) reject('PERMISSION_DENIED', why, { permission, project })
    return undefined
  }
  const everywhere = verdict(engine, actor, permission, 'system', '')
  if (everywhere.allowed) return undefined
  const scope = kind.id === 'iam.organization' ? 'organization' : 'project'
  const narrowed = kind.resource.scope === 'project' || kind.resource.identity === 'name'
  const names = narrowed
    ? [...engine.state.resource(iam, scope).values()]
        .map(({ name }) => name)
        .filter((name) => may(scope, name))
    : []
  if (names.length === 0) reject('PERMISSION_DENIED', everywhere.why, { permission })
  return { column: kind.resource.scope === 'project' ? 'project' : 'name', values: names }
}

function verdict(
  engine: Engine,
  actor: Actor,
  permission: string,
  scope: 'system' | 'organization' | 'project',
  name: string,
): Verdict {
  for (const { authorize } of engine.registry.all.values()) {
    if (authorize !== undefined) return authorize(engine.state, actor, permission, scope, name)
  }
  return { allowed: false, why: 'no domain decides who may do what' }
}
