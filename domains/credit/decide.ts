import type { Context, Decide } from '../kernel/domain.ts'
import { nameKey } from '../kernel/domain.ts'
import { reject } from '../kernel/rejection.ts'
import contract, { type HolderKind, type ResourceClass, resourceClasses } from './contract.ts'
import type state from './state.ts'
import { amountOf } from './state.ts'
import { usageOf } from './usage.ts'

export const decide: Decide<typeof state> = {
  SetQuota: ({ project, class: name, limit, labels }, context) => {
    const found = context.state.quota.find('name', nameKey(project, name))
    if (found === undefined) {
      const uid = context.uid()
      context.emit('QuotaSet', { uid, project, name, labels: labels ?? {}, limit })
      return { uid }
    }
    const { uid } = context.target('quota', project, name)
    context.emit('QuotaChanged', { uid, limit, labels })
    return { uid }
  },
  DeleteQuota: ({ project, class: name }, context) => {
    const { uid } = context.target('quota', project, name)
    context.remove(contract, 'quota', uid)
    return { uid }
  },
  Reserve: ({ project, holderKind, holder, amounts }, context) => {
    for (const counted of resourceClasses) {
      const requested = amountOf({ amounts }, counted)
      if (requested > 0) requireLeft(context, project, counted, requested)
    }
    const uid = context.uid()
    context.emit('Reserved', {
      uid,
      project,
      name: holder,
      labels: {},
      amounts,
      ...holderFields(holderKind, holder),
    })
    return { uid }
  },
  Release: ({ project, holder }, context) => {
    const { uid } = context.need(contract, 'reservation', project, holder)
    context.remove(contract, 'reservation', uid)
    return { uid }
  },
}

function requireLeft(
  context: Context<typeof state>,
  project: string,
  of: ResourceClass,
  requested: number,
): void {
  const { used, limit, set } = usageOf(context, project, of)
  const over = used + requested - limit
  if (over <= 0) return
  reject(
    'QUOTA_EXCEEDED',
    `project ${project} may hold ${limit} ${of}${set ? '' : ' (the default)'} and holds ${used}: ${requested} more are ${over} too many`,
    { project, class: of, limit, used, requested, over },
  )
}

function holderFields(kind: HolderKind, holder: string) {
  const of = (wanted: HolderKind): string | null => (kind === wanted ? holder : null)
  return {
    instance: of('instance'),
    port: of('port'),
    loadBalancer: of('load-balancer'),
    zone: of('zone'),
  }
}
