import type { Decide } from '../../kernel/domain.ts'
import { reject } from '../../kernel/rejection.ts'
import { type Place, placeOf } from '../authorize.ts'
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
    return { user: null, serviceAccount: context.need(contract, 'service_account', project, name).uid }
  }
  return reject('INVALID_ARGUMENT', 'give either user or serviceAccount', { field: 'user' })
}

function unbind(context: IamContext, name: string, place: Place | undefined): { uid: string } {
  const binding = context.target('binding', '', name)
  const at = placeOf(binding)
  if (place !== undefined && (at.scope !== place.scope || at.name !== place.name))
    reject('NOT_FOUND', `iam.binding ${name} is not of ${place.scope} ${place.name}`, { name })
  keepingAnAdmin(context, () => context.remove(contract, 'binding', binding.uid))
  return { uid: binding.uid }
}
