import { describe, expect, it } from 'vitest'
import type { Actor } from '../kernel/domain.ts'
import { nameKey } from '../kernel/domain.ts'
import type { Scenario } from '../kernel/testing.ts'
import { addUser, bootstrapped, type Case, checkSamples, play, type Step } from '../testing.ts'
import contract from './contract.ts'

const user =
  (name: string) =>
  (scenario: Scenario): Actor => ({
    principal: scenario.state.resource(contract, 'user').find('name', nameKey('', name))?.uid ?? '',
    kind: 'user',
  })
const firstToken = (scenario: Scenario): object => ({
  token: scenario.state.resource(contract, 'token').values().next().value?.uid,
})
const accountToken = (scenario: Scenario): object => ({
  project: 'default',
  token: [...scenario.state.resource(contract, 'token').values()].find((token) => token.user === null)?.uid,
})
const ann: Step = ['iam.CreateUser', { name: 'ann' }]
const owner: Step = [
  'iam.CreateProjectBinding',
  { project: 'default', user: 'ann', role: 'owner', name: 'ann-owner' },
]
const robot: Step = ['iam.CreateServiceAccount', { project: 'default', name: 'robot' }]
const robotToken: Step = ['iam.IssueServiceAccountToken', { project: 'default', serviceAccount: 'robot' }]
const readers: Step = ['iam.CreateRole', { name: 'readers', permissions: ['vm.*.get', 'dns.zones.get'] }]

const cases: readonly Case[] = [
  { name: 'bootstrap happens once', when: ['iam.Bootstrap', {}], gives: 'FAILED_PRECONDITION' },
  {
    name: 'an organization is created',
    when: ['iam.CreateOrganization', { name: 'acme' }],
    gives: ['iam.OrganizationCreated'],
  },
  {
    name: 'an organization’s name is unique',
    when: ['iam.CreateOrganization', { name: 'default' }],
    gives: 'ALREADY_EXISTS',
  },
  {
    name: 'an organization is changed',
    when: ['iam.UpdateOrganization', { organization: 'default', description: 'ours' }],
    gives: ['iam.OrganizationUpdated'],
  },
  {
    name: 'an organization with projects stays',
    when: ['iam.DeleteOrganization', { organization: 'default' }],
    gives: 'IN_USE',
    saying: /iam.project default uses/,
  },
  {
    name: 'an organization goes with its bindings',
    given: [
      ['iam.CreateOrganization', { name: 'acme' }],
      ann,
      ['iam.CreateOrganizationBinding', { organization: 'acme', user: 'ann', role: 'owner' }],
    ],
    when: ['iam.DeleteOrganization', { organization: 'acme' }],
    gives: ['iam.BindingDeleted', 'iam.OrganizationDeleted'],
  },
  {
    name: 'a project needs its organization',
    when: ['iam.CreateProject', { organization: 'acme', name: 'shop' }],
    gives: 'NOT_FOUND',
  },
  {
    name: 'a project is created',
    when: ['iam.CreateProject', { organization: 'default', name: 'shop' }],
    gives: ['iam.ProjectCreated'],
  },
  {
    name: 'a project’s name must be a label',
    when: ['iam.CreateProject', { organization: 'default', name: 'Shop!' }],
    gives: 'INVALID_ARGUMENT',
  },
  {
    name: 'a project is changed',
    when: ['iam.UpdateProject', { project: 'default', labels: { stage: 'test' } }],
    gives: ['iam.ProjectUpdated'],
  },
  {
    name: 'a project with resources stays',
    given: [robot],
    when: ['iam.DeleteProject', { project: 'default' }],
    gives: 'IN_USE',
  },
  {
    name: 'an empty project goes with its bindings',
    given: [ann, owner],
    when: ['iam.DeleteProject', { project: 'default' }],
    gives: ['iam.BindingDeleted', 'iam.ProjectDeleted'],
  },
  { name: 'a user is created', when: ann, gives: ['iam.UserCreated'] },
  {
    name: 'a user is changed',
    given: [ann],
    when: ['iam.UpdateUser', { name: 'ann', description: 'Ann' }],
    gives: ['iam.UserUpdated'],
  },
  {
    name: 'a user is suspended',
    given: [ann],
    when: ['iam.SuspendUser', { name: 'ann' }],
    gives: ['iam.UserSuspended'],
  },
  {
    name: 'a suspended user is not suspended again',
    given: [ann, ['iam.SuspendUser', { name: 'ann' }]],
    when: ['iam.SuspendUser', { name: 'ann' }],
    gives: 'FAILED_PRECONDITION',
  },
  {
    name: 'a suspended user is resumed',
    given: [ann, ['iam.SuspendUser', { name: 'ann' }]],
    when: ['iam.ResumeUser', { name: 'ann' }],
    gives: ['iam.UserResumed'],
  },
  {
    name: 'an active user is not resumed',
    given: [ann],
    when: ['iam.ResumeUser', { name: 'ann' }],
    gives: 'FAILED_PRECONDITION',
  },
  {
    name: 'a user goes with bindings and tokens',
    given: [ann, owner, ['iam.IssueToken', { user: 'ann' }]],
    when: ['iam.DeleteUser', { name: 'ann' }],
    gives: ['iam.BindingDeleted', 'iam.TokenDeleted', 'iam.UserDeleted'],
  },
  {
    name: 'the last administrator is not deleted',
    when: ['iam.DeleteUser', { name: 'admin' }],
    gives: 'FAILED_PRECONDITION',
    saying: /role admin/,
  },
  {
    name: 'the last administrator is not suspended',
    when: ['iam.SuspendUser', { name: 'admin' }],
    gives: 'FAILED_PRECONDITION',
  },
  {
    name: 'the last administrator keeps the role',
    when: ['iam.DeleteBinding', { name: 'admin' }],
    gives: 'FAILED_PRECONDITION',
  },
  {
    name: 'a suspended administrator does not count as another',
    given: [ann, ['iam.CreateBinding', { user: 'ann', role: 'admin' }], ['iam.SuspendUser', { name: 'ann' }]],
    when: ['iam.DeleteUser', { name: 'admin' }],
    gives: 'FAILED_PRECONDITION',
  },
  {
    name: 'one of two administrators may go',
    given: [ann, ['iam.CreateBinding', { user: 'ann', role: 'admin' }]],
    when: ['iam.DeleteUser', { name: 'admin' }],
    gives: ['iam.BindingDeleted', 'iam.TokenDeleted', 'iam.UserDeleted'],
  },
  { name: 'a service account is created', when: robot, gives: ['iam.ServiceAccountCreated'] },
  {
    name: 'a service account needs its project',
    when: ['iam.CreateServiceAccount', { project: 'nowhere', name: 'robot' }],
    gives: 'NOT_FOUND',
  },
  {
    name: 'a service account is changed',
    given: [robot],
    when: ['iam.UpdateServiceAccount', { project: 'default', name: 'robot', description: 'beep' }],
    gives: ['iam.ServiceAccountUpdated'],
  },
  {
    name: 'a service account is suspended',
    given: [robot],
    when: ['iam.SuspendServiceAccount', { project: 'default', name: 'robot' }],
    gives: ['iam.ServiceAccountSuspended'],
  },
  {
    name: 'a service account is resumed',
    given: [robot, ['iam.SuspendServiceAccount', { project: 'default', name: 'robot' }]],
    when: ['iam.ResumeServiceAccount', { project: 'default', name: 'robot' }],
    gives: ['iam.ServiceAccountResumed'],
  },
  {
    name: 'a service account goes with its tokens',
    given: [robot, robotToken],
    when: ['iam.DeleteServiceAccount', { project: 'default', name: 'robot' }],
    gives: ['iam.TokenDeleted', 'iam.ServiceAccountDeleted'],
  },
  { name: 'a role is created', when: readers, gives: ['iam.RoleCreated'] },
  {
    name: 'a permission must be a pattern',
    when: ['iam.CreateRole', { name: 'odd', permissions: ['vm.hosts'] }],
    gives: 'INVALID_ARGUMENT',
    saying: /domain.plural.verb/,
  },
  {
    name: 'a role is changed',
    given: [readers],
    when: ['iam.UpdateRole', { name: 'readers', permissions: ['vm.*'] }],
    gives: ['iam.RoleUpdated'],
  },
  {
    name: 'a role that is built in stays as it is',
    when: ['iam.UpdateRole', { name: 'viewer', permissions: ['*'] }],
    gives: 'FAILED_PRECONDITION',
  },
  {
    name: 'a role that is built in stays',
    when: ['iam.DeleteRole', { name: 'dns' }],
    gives: 'FAILED_PRECONDITION',
  },
  {
    name: 'a role goes',
    given: [readers],
    when: ['iam.DeleteRole', { name: 'readers' }],
    gives: ['iam.RoleDeleted'],
  },
  {
    name: 'a role that is given stays',
    given: [readers, ann, ['iam.CreateBinding', { user: 'ann', role: 'readers', name: 'given' }]],
    when: ['iam.DeleteRole', { name: 'readers' }],
    gives: 'IN_USE',
    saying: /iam.binding given uses/,
  },
  {
    name: 'a role is given everywhere',
    given: [ann],
    when: ['iam.CreateBinding', { user: 'ann', role: 'viewer' }],
    gives: ['iam.BindingCreated'],
  },
  {
    name: 'a role is given to a service account',
    given: [robot],
    when: ['iam.CreateBinding', { serviceAccount: 'default/robot', role: 'host' }],
    gives: ['iam.BindingCreated'],
  },
  {
    name: 'a binding needs one principal, not two',
    given: [ann, robot],
    when: ['iam.CreateBinding', { user: 'ann', serviceAccount: 'default/robot', role: 'viewer' }],
    gives: 'INVALID_ARGUMENT',
  },
  {
    name: 'a binding needs a principal',
    when: ['iam.CreateBinding', { role: 'viewer' }],
    gives: 'INVALID_ARGUMENT',
  },
  {
    name: 'a service account is named with its project',
    given: [robot],
    when: ['iam.CreateBinding', { serviceAccount: 'robot', role: 'viewer' }],
    gives: 'INVALID_ARGUMENT',
    saying: /project\/name/,
  },
  {
    name: 'a role is given in an organization',
    given: [ann],
    when: ['iam.CreateOrganizationBinding', { organization: 'default', user: 'ann', role: 'viewer' }],
    gives: ['iam.BindingCreated'],
  },
  {
    name: 'a role is given in an organization that is there',
    given: [ann],
    when: ['iam.CreateOrganizationBinding', { organization: 'acme', user: 'ann', role: 'viewer' }],
    gives: 'NOT_FOUND',
  },
  { name: 'a role is given in a project', given: [ann], when: owner, gives: ['iam.BindingCreated'] },
  {
    name: 'a binding’s labels change',
    given: [ann, owner],
    when: ['iam.UpdateBinding', { name: 'ann-owner', labels: { why: 'test' } }],
    gives: ['iam.BindingUpdated'],
  },
  {
    name: 'a role in a project is taken back',
    given: [ann, owner],
    when: ['iam.DeleteProjectBinding', { project: 'default', name: 'ann-owner' }],
    gives: ['iam.BindingDeleted'],
  },
  {
    name: 'a project takes back its own bindings alone',
    when: ['iam.DeleteProjectBinding', { project: 'default', name: 'admin' }],
    gives: 'NOT_FOUND',
  },
  {
    name: 'a role in an organization is taken back',
    given: [
      ann,
      [
        'iam.CreateOrganizationBinding',
        { organization: 'default', user: 'ann', role: 'viewer', name: 'view' },
      ],
    ],
    when: ['iam.DeleteOrganizationBinding', { organization: 'default', name: 'view' }],
    gives: ['iam.BindingDeleted'],
  },
  {
    name: 'a token is issued for a user',
    given: [ann],
    when: ['iam.IssueToken', { user: 'ann' }],
    gives: ['iam.TokenIssued'],
  },
  {
    name: 'a token must not have expired when it is issued',
    when: ['iam.IssueToken', { user: 'admin', expiresAt: 1 }],
    gives: 'INVALID_ARGUMENT',
  },
  {
    name: 'a token is issued for a service account',
    given: [robot],
    when: robotToken,
    gives: ['iam.TokenIssued'],
  },
  { name: 'a token is revoked', when: ['iam.RevokeToken', firstToken], gives: ['iam.TokenRevoked'] },
  {
    name: 'a token is revoked once',
    given: [['iam.RevokeToken', firstToken]],
    when: ['iam.RevokeToken', firstToken],
    gives: 'FAILED_PRECONDITION',
  },
  { name: 'a token is forgotten', when: ['iam.DeleteToken', firstToken], gives: ['iam.TokenDeleted'] },
  {
    name: 'a project revokes its accounts’ tokens',
    given: [robot, robotToken],
    when: ['iam.RevokeServiceAccountToken', accountToken],
    gives: ['iam.TokenRevoked'],
  },
  {
    name: 'a project revokes no others',
    when: ['iam.RevokeServiceAccountToken', (scenario) => ({ project: 'default', ...firstToken(scenario) })],
    gives: 'NOT_FOUND',
  },
]

describe('iam', () => {
  it.each(cases)('$name', (example) => {
    play(bootstrapped(), example)
  })

  it('begins with an organization, a project, roles, an administrator and a token', () => {
    const scenario = bootstrapped()
    expect(scenario.events.map(({ type }) => type)).toEqual([
      ...Array.from({ length: 7 }, () => 'iam.RoleCreated'),
      'iam.OrganizationCreated',
      'iam.ProjectCreated',
      'iam.UserCreated',
      'iam.BindingCreated',
      'iam.TokenIssued',
    ])
    scenario.run(contract, 'CreateUser', { name: 'bob' }, { actor: user('admin')(scenario) })
  })

  it('lets a role reach from an organization into its projects, and no further', () => {
    const scenario = bootstrapped()
    scenario.run(contract, 'CreateOrganization', { name: 'acme' })
    scenario.run(contract, 'CreateProject', { organization: 'acme', name: 'shop' })
    const { uid } = scenario.run(contract, 'CreateUser', { name: 'ann' })
    scenario.run(contract, 'CreateOrganizationBinding', { organization: 'acme', user: 'ann', role: 'owner' })
    const actor: Actor = { principal: uid, kind: 'user' }
    scenario.run(contract, 'CreateServiceAccount', { project: 'shop', name: 'robot' }, { actor })
    const request = { project: 'default', name: 'robot' }
    scenario.rejected(contract, 'CreateServiceAccount', request, 'PERMISSION_DENIED', { actor })
    scenario.rejected(contract, 'CreateUser', { name: 'bob' }, 'PERMISSION_DENIED', { actor })
  })

  it('refuses suspended and unknown principals', () => {
    const scenario = bootstrapped()
    const actor = addUser(scenario, 'ann', 'admin')
    scenario.run(contract, 'CreateUser', { name: 'bob' }, { actor })
    scenario.run(contract, 'SuspendUser', { name: 'ann' })
    const { message } = scenario.rejected(contract, 'CreateUser', { name: 'eve' }, 'PERMISSION_DENIED', {
      actor,
    })
    expect(message).toBe('ann is suspended')
    const nobody: Actor = { principal: 'nobody', kind: 'user' }
    scenario.rejected(contract, 'CreateUser', { name: 'eve' }, 'PERMISSION_DENIED', { actor: nobody })
  })

  it('decodes a stored sample of every event', async () => {
    expect(await checkSamples('iam')).toBeGreaterThanOrEqual(Object.keys(contract.events).length)
  })
})
