import type { Decide } from '../../kernel/domain.ts'
import contract from '../contract.ts'
import type state from '../state.ts'

type Tenants =
  | 'CreateOrganization'
  | 'UpdateOrganization'
  | 'DeleteOrganization'
  | 'CreateProject'
  | 'UpdateProject'
  | 'DeleteProject'

export const tenants: Pick<Decide<typeof state>, Tenants> = {
  CreateOrganization: (request, context) => {
    const uid = context.uid()
    context.emit('OrganizationCreated', { uid, ...request })
    return { uid }
  },
  UpdateOrganization: ({ organization, ...changes }, context) => {
    const { uid } = context.target('organization', '', organization)
    context.emit('OrganizationUpdated', { uid, ...changes })
    return { uid }
  },
  DeleteOrganization: ({ organization }, context) => {
    const { uid } = context.target('organization', '', organization)
    context.remove(contract, 'organization', uid)
    return { uid }
  },
  CreateProject: ({ organization, ...request }, context) => {
    context.need(contract, 'organization', '', organization)
    const uid = context.uid()
    context.emit('ProjectCreated', { uid, organization, ...request })
    return { uid }
  },
  UpdateProject: ({ project, ...changes }, context) => {
    const { uid } = context.target('project', '', project)
    context.emit('ProjectUpdated', { uid, ...changes })
    return { uid }
  },
  DeleteProject: ({ project }, context) => {
    const { uid } = context.target('project', '', project)
    context.remove(contract, 'project', uid)
    return { uid }
  },
}
