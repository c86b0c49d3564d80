import { z } from 'zod'
import {
  command,
  contract,
  created,
  deleted,
  Labels,
  Name,
  owner,
  resource,
  Uid,
  updated,
  uses,
} from '../kernel/contract.ts'

const PERMISSION = /^(?:\*|(?:\*|[a-z][a-z0-9-]*)\.\*|(?:\*|[a-z][a-z0-9-]*)(?:\.(?:\*|[a-z][a-z0-9-]*)){2})$/

/** `domain.plural.verb`, where `*` stands for any word, and at the end for all that follows: `vm.*`, `*.*.get`. */
const Permission = z.string().max(128).regex(PERMISSION, 'must be domain.plural.verb, with * for any word')
const Permissions = z.array(Permission).min(1).max(64)
const Description = z.string().max(1024)
/** Milliseconds since 1970; null: never. */
const ExpiresAt = z.int().min(0)

const scopeKinds = ['system', 'organization', 'project'] as const

const organization = resource({
  doc: 'A tenant: it has projects.',
  plural: 'organizations',
  scope: 'system',
  identity: 'name',
  fields: { description: [10, Description] },
})

const project = resource({
  doc: 'What resources live in, and what quotas are set for.',
  plural: 'projects',
  scope: 'system',
  identity: 'name',
  fields: { organization: [10, uses('iam.organization')], description: [11, Description] },
})

const user = resource({
  doc: 'A person who can act.',
  plural: 'users',
  scope: 'system',
  fields: { description: [10, Description], suspended: [11, z.boolean()] },
})

const serviceAccount = resource({
  doc: 'A program that can act: a host, a balancer, a DNS server, a tenant’s own.',
  plural: 'service-accounts',
  scope: 'project',
  fields: { description: [10, Description], suspended: [11, z.boolean()] },
})

const role = resource({
  doc: 'A set of permissions that a binding gives.',
  plural: 'roles',
  scope: 'system',
  fields: { description: [10, Description], permissions: [11, Permissions], builtIn: [12, z.boolean()] },
})

/** Exactly one of `user` and `serviceAccount` is set; `organization` and `boundProject` as `scopeKind` says. */
export const binding = resource({
  doc: 'Gives a role to a principal, everywhere or in one organization or project. It goes with any of them.',
  plural: 'bindings',
  scope: 'system',
  fields: {
    user: [10, owner('iam.user').nullable()],
    serviceAccount: [11, owner('iam.service_account').nullable()],
    role: [12, uses('iam.role')],
    scopeKind: [13, z.enum(scopeKinds)],
    organization: [14, owner('iam.organization').nullable()],
    boundProject: [15, owner('iam.project').nullable()],
  },
})

/** Exactly one of `user` and `serviceAccount` is set. */
export const token = resource({
  doc: 'A bearer token of a principal. Its value can be recomputed with the master key and is kept nowhere.',
  plural: 'tokens',
  scope: 'system',
  fields: {
    user: [10, owner('iam.user').nullable()],
    serviceAccount: [11, owner('iam.service_account').nullable()],
    description: [12, Description],
    expiresAt: [13, ExpiresAt.nullable()],
    revoked: [14, z.boolean()],
  },
})

const labels = [3, Labels.default({})] as const
const changedLabels = [3, Labels.optional()] as const
const description = [4, Description.default('')] as const
const changedDescription = [4, Description.optional()] as const
const identified = { uid: [1, Uid] } as const
const named = { name: [2, Name] } as const
const inProject = { project: [1, Name], name: [2, Name] } as const
const ofOrganization = { organization: [1, Name] } as const
const ofProject = { project: [1, Name] } as const
/** `tokenValue` is filled in by the edge that answers: a decision neither knows nor stores it. */
const issued = { token: [1, Uid], tokenValue: [2, z.string().max(256).optional()] } as const
const expiry = {
  description,
  expiresAt: [5, ExpiresAt.optional()],
} as const
const principal = {
  user: [11, Name.optional()],
  /** `project/name`. */
  serviceAccount: [12, z.string().max(127).optional()],
  role: [13, Name],
} as const
const bindingName = [2, Name.optional()] as const

export default contract({
  name: 'iam',
  doc: 'Who may do what: organizations, projects, principals, roles, bindings and tokens.',
  resources: { organization, project, user, service_account: serviceAccount, role, binding, token },
  commands: {
    Bootstrap: command({
      doc: 'Makes the first organization, project, roles, admin user and admin token. Once.',
      permission: 'iam.cluster.bootstrap',
      scope: 'system',
      request: {},
      result: { ...issued, user: [3, Uid] },
    }),
    CreateOrganization: command({
      doc: 'Creates an organization.',
      permission: 'iam.organizations.create',
      scope: 'system',
      request: { ...named, labels, description },
      result: identified,
    }),
    UpdateOrganization: command({
      doc: 'Changes an organization’s labels or description.',
      permission: 'iam.organizations.update',
      scope: 'organization',
      request: { ...ofOrganization, labels: changedLabels, description: changedDescription },
      result: identified,
    }),
    DeleteOrganization: command({
      doc: 'Deletes an organization that has no projects, with its bindings.',
      permission: 'iam.organizations.delete',
      scope: 'organization',
      request: ofOrganization,
      result: identified,
    }),
    CreateProject: command({
      doc: 'Creates a project in an organization. Names of projects are unique in the whole cluster.',
      permission: 'iam.projects.create',
      scope: 'organization',
      request: { ...ofOrganization, ...named, labels, description },
      result: identified,
    }),
    UpdateProject: command({
      doc: 'Changes a project’s labels or description.',
      permission: 'iam.projects.update',
      scope: 'project',
      request: { ...ofProject, labels: changedLabels, description: changedDescription },
      result: identified,
    }),
    DeleteProject: command({
      doc: 'Deletes a project in which nothing is left, with its bindings.',
      permission: 'iam.projects.delete',
      scope: 'project',
      request: ofProject,
      result: identified,
    }),
    CreateUser: command({
      doc: 'Creates a user.',
      permission: 'iam.users.create',
      scope: 'system',
      request: { ...named, labels, description },
      result: identified,
    }),
    UpdateUser: command({
      doc: 'Changes a user’s labels or description.',
      permission: 'iam.users.update',
      scope: 'system',
      request: { ...named, labels: changedLabels, description: changedDescription },
      result: identified,
    }),
    SuspendUser: command({
      doc: 'Makes every token and binding of a user useless until it is resumed.',
      permission: 'iam.users.suspend',
      scope: 'system',
      request: named,
      result: identified,
    }),
    ResumeUser: command({
      doc: 'Ends a suspension.',
      permission: 'iam.users.resume',
      scope: 'system',
      request: named,
      result: identified,
    }),
    DeleteUser: command({
      doc: 'Deletes a user with its bindings and tokens.',
      permission: 'iam.users.delete',
      scope: 'system',
      request: named,
      result: identified,
    }),
    CreateServiceAccount: command({
      doc: 'Creates a service account.',
      permission: 'iam.service-accounts.create',
      scope: 'project',
      request: { ...inProject, labels, description },
      result: identified,
    }),
    UpdateServiceAccount: command({
      doc: 'Changes a service account’s labels or description.',
      permission: 'iam.service-accounts.update',
      scope: 'project',
      request: { ...inProject, labels: changedLabels, description: changedDescription },
      result: identified,
    }),
    SuspendServiceAccount: command({
      doc: 'Makes every token and binding of a service account useless until it is resumed.',
      permission: 'iam.service-accounts.suspend',
      scope: 'project',
      request: inProject,
      result: identified,
    }),
    ResumeServiceAccount: command({
      doc: 'Ends a suspension.',
      permission: 'iam.service-accounts.resume',
      scope: 'project',
      request: inProject,
      result: identified,
    }),
    DeleteServiceAccount: command({
      doc: 'Deletes a service account with its bindings and tokens.',
      permission: 'iam.service-accounts.delete',
      scope: 'project',
      request: inProject,
      result: identified,
    }),
    CreateRole: command({
      doc: 'Creates a role. The actor must itself have every permission in it.',
      permission: 'iam.roles.create',
      scope: 'system',
      request: { ...named, labels, description, permissions: [10, Permissions] },
      result: identified,
    }),
    UpdateRole: command({
      doc: 'Changes a role that is not built in. The actor must itself have every permission in it.',
      permission: 'iam.roles.update',
      scope: 'system',
      request: {
        ...named,
        labels: changedLabels,
        description: changedDescription,
        permissions: [10, Permissions.optional()],
      },
      result: identified,
    }),
    DeleteRole: command({
      doc: 'Deletes a role that is not built in and that no binding gives.',
      permission: 'iam.roles.delete',
      scope: 'system',
      request: named,
      result: identified,
    }),
    CreateBinding: command({
      doc: 'Gives a user or a service account (`project/name`) a role everywhere. The actor must itself have what the role gives.',
      permission: 'iam.bindings.create',
      scope: 'system',
      request: { name: bindingName, labels, ...principal },
      result: identified,
    }),
    CreateOrganizationBinding: command({
      doc: 'Gives a role in an organization and its projects. The actor must itself have there what the role gives.',
      permission: 'iam.bindings.create',
      scope: 'organization',
      request: { ...ofOrganization, name: bindingName, labels, ...principal },
      result: identified,
    }),
    CreateProjectBinding: command({
      doc: 'Gives a role in a project. The actor must itself have there what the role gives.',
      permission: 'iam.bindings.create',
      scope: 'project',
      request: { ...ofProject, name: bindingName, labels, ...principal },
      result: identified,
    }),
    UpdateBinding: command({
      doc: 'Changes a binding’s labels.',
      permission: 'iam.bindings.update',
      scope: 'system',
      request: { ...named, labels: changedLabels },
      result: identified,
    }),
    DeleteBinding: command({
      doc: 'Takes a role back, whatever the binding’s scope.',
      permission: 'iam.bindings.delete',
      scope: 'system',
      request: named,
      result: identified,
    }),
    DeleteOrganizationBinding: command({
      doc: 'Takes a role in an organization back.',
      permission: 'iam.bindings.delete',
      scope: 'organization',
      request: { ...ofOrganization, ...named },
      result: identified,
    }),
    DeleteProjectBinding: command({
      doc: 'Takes a role in a project back.',
      permission: 'iam.bindings.delete',
      scope: 'project',
      request: { ...ofProject, ...named },
      result: identified,
    }),
    IssueToken: command({
      doc: 'Issues a token for a user. The actor must itself have whatever the user has.',
      permission: 'iam.tokens.issue',
      scope: 'system',
      request: { user: [1, Name], ...expiry },
      result: issued,
    }),
    IssueServiceAccountToken: command({
      doc: 'Issues a token for a service account. The actor must itself have whatever the account has.',
      permission: 'iam.tokens.issue',
      scope: 'project',
      request: { ...ofProject, serviceAccount: [2, Name], ...expiry },
      result: issued,
    }),
    RevokeToken: command({
      doc: 'Makes a token useless for good.',
      permission: 'iam.tokens.revoke',
      scope: 'system',
      request: { token: [1, Uid] },
      result: identified,
    }),
    RevokeServiceAccountToken: command({
      doc: 'Makes a token of a service account of the project useless for good.',
      permission: 'iam.tokens.revoke',
      scope: 'project',
      request: { ...ofProject, token: [2, Uid] },
      result: identified,
    }),
    DeleteToken: command({
      doc: 'Forgets a token, which makes it useless.',
      permission: 'iam.tokens.delete',
      scope: 'system',
      request: { token: [1, Uid] },
      result: identified,
    }),
  },
  events: {
    OrganizationCreated: created(organization),
    OrganizationUpdated: updated(organization),
    OrganizationDeleted: deleted(organization),
    ProjectCreated: created(project),
    ProjectUpdated: updated(project),
    ProjectDeleted: deleted(project),
    UserCreated: created(user),
    UserUpdated: updated(user),
    UserSuspended: updated(user),
    UserResumed: updated(user),
    UserDeleted: deleted(user),
    ServiceAccountCreated: created(serviceAccount),
    ServiceAccountUpdated: updated(serviceAccount),
    ServiceAccountSuspended: updated(serviceAccount),
    ServiceAccountResumed: updated(serviceAccount),
    ServiceAccountDeleted: deleted(serviceAccount),
    RoleCreated: created(role),
    RoleUpdated: updated(role),
    RoleDeleted: deleted(role),
    BindingCreated: created(binding),
    BindingUpdated: updated(binding),
    BindingDeleted: deleted(binding),
    TokenIssued: created(token),
    TokenRevoked: updated(token),
    TokenDeleted: deleted(token),
  },
})
