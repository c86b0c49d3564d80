import { type Decide, nameKey } from '../../kernel/domain.ts'
import { reject } from '../../kernel/rejection.ts'
import { missing, type Place, placeOf } from '../authorize.ts'
import contract from '../contract.ts'
import type state from '../state.ts'
import { type IamContext, keepingAnAdmin, requireHeld } from './guard.ts'

type Bindings = `${'Create' | 'Delete'}${'' | 'Organization' | 'Project'}Binding` | 'UpdateBinding'

export const bindings: Pick<Decide<typeof state>, Bindings> = {
  CreateBinding: (request, context) => bind(context, request, { scope: 'system', name: '' }),
  CreateOrganizationBinding: ({ organization, ...request }, context) => {
    context.need(contract, 'organization', '', organization)
    return bind(context, request, { scope: 'organization', name: organization })
  },
  CreateProjectBinding: ({ project, ...request }, context) => {
    context.need(contract, 'project', '', project)
    return bind(context, request, { scope: 'project', name: project })
  },
  UpdateBinding: ({ name, labels }, context) => {
    const { uid } = context.target('binding', '', name)
    context.emit('BindingUpdated', { uid, labels })
    return { uid }
  },
  DeleteBinding: ({ name }, context) => unbind(context, name, undefined),
  DeleteOrganizationBinding: ({ organization, name }, context) =>
    unbind(context, name, { scope: 'organization', name: organization }),
  DeleteProjectBinding: ({ project, name }, context) =>
    unbind(context, name, { scope: 'project', name: project }),
}

interface BindRequest {
  readonly name?: string | undefined
  readonly labels: Readonly<Record<string, string>>
  readonly user?: string | undefined
  readonly serviceAccount?: string | undefined
  readonly role: string
}

function bind(context: IamContext, request: BindRequest, place: Place): { uid: string } {
  const principal = findPrincipal(context, request)
  const role = context.need(contract, 'role', '', request.role)
  requireHeld(context, role.permissions, place)
  const uid = context.uid()
  context.emit('BindingCreated', {
    uid,
    name: request.name ?? `binding-${uid}`,
    labels: { ...request.labels },
    ...principal,
    role: role.uid,
    scopeKind: place.scope,
    organization: place.scope === 'organization' ? place.name : null,
    boundProject: place.scope === 'project' ? place.name : null,
  })
  return { uid }
}

function findPrincipal(context: IamContext, { user, serviceAccount }: BindRequest) {
  if (user !== undefined && serviceAccount === undefined)
    return { user: context.need(contract, 'user', '', user).uid, serviceAccount: null }
  if (user === undefined && serviceAccount !== undefined) {
    const [project = '', name = '', more] = serviceAccount.split('/')
    if (more !== undefined || name === '')
      return reject('INVALID_ARGUMENT', `serviceAccount: ${serviceAccount} must be project/name`, {
        field: 'serviceAccount',
      })
    requireKnown(context, project)
    return { user: null, serviceAccount: context.need(contract, 'service_account', project, name).uid }
  }
  return reject('INVALID_ARGUMENT', 'give either user or serviceAccount', { field: 'user' })
}

/**
 * Rejects with PERMISSION_DENIED unless the actor may see the service accounts of a project. Else anyone could bind another
 * tenant's account: find out whether it is there, and, as nobody may issue a token for more than they have, keep that tenant from
 * issuing tokens for it.
 */
function requireKnown(context: IamContext, project: string): void {
  const permission = 'iam.service-accounts.get'
  const place = { scope: 'project', name: project } as const
  if (missing(context.state, context.actor, [permission], place) === undefined) return
  reject('PERMISSION_DENIED', `you do not have ${permission} in project ${project}`, { permission, ...place })
}

function unbind(context: IamContext, name: string, place: Place | undefined): { uid: string } {
  if (place !== undefined) requireOf(context, name, place)
  const binding = context.target('binding', '', name)
  keepingAnAdmin(context, () => context.remove(contract, 'binding', binding.uid))
  return { uid: binding.uid }
}

/** Says the same of a binding of another place as of one that is not there. */
function requireOf({ state }: IamContext, name: string, place: Place): void {
  const binding = state.binding.find('name', nameKey('', name))
  const at = binding === undefined ? undefined : placeOf(binding)
  if (at?.scope !== place.scope || at.name !== place.name)
    reject('NOT_FOUND', `there is no iam.binding ${name} of ${place.scope} ${place.name}`, { name })
}
