import { describe, it } from 'vitest'
import type { Actor } from '../kernel/domain.ts'
import { nameKey } from '../kernel/domain.ts'
import type { Scenario } from '../kernel/testing.ts'
import { bootstrapped, type Case, play, type Step } from '../testing.ts'
import contract from './contract.ts'

const user =
  (name: string) =>
  (scenario: Scenario): Actor => ({
    principal: scenario.state.resource(contract, 'user').find('name', nameKey('', name))?.uid ?? '',
    kind: 'user',
  })
const ann: Step = ['iam.CreateUser', { name: 'ann' }]
const owner: Step = [
  'iam.CreateProjectBinding',
  { project: 'default', user: 'ann', role: 'owner', name: 'ann-owner' },
]
const robot: Step = ['iam.CreateServiceAccount', { project: 'default', name: 'robot' }]

const cases: readonly Case[] = [
  {
    name: 'an owner gives what it has in its project',
    given: [ann, owner, ['iam.CreateUser', { name: 'bob' }]],
    when: ['iam.CreateProjectBinding', { project: 'default', user: 'bob', role: 'editor' }, user('ann')],
    gives: ['iam.BindingCreated'],
  },
  {
    name: 'an owner has nothing in another project',
    given: [ann, owner, ['iam.CreateProject', { organization: 'default', name: 'shop' }]],
    when: ['iam.CreateProjectBinding', { project: 'shop', user: 'ann', role: 'viewer' }, user('ann')],
    gives: 'PERMISSION_DENIED',
    saying: /ann has no binding to a role with iam.bindings.create in project shop/,
  },
  {
    name: 'one who manages roles cannot make a stronger one',
    given: [
      ann,
      ['iam.CreateRole', { name: 'clerk', permissions: ['iam.*'] }],
      ['iam.CreateBinding', { user: 'ann', role: 'clerk' }],
    ],
    when: ['iam.CreateRole', { name: 'more', permissions: ['vm.*'] }, user('ann')],
    gives: 'PERMISSION_DENIED',
    saying: /cannot give vm\.\* everywhere/,
  },
  {
    name: 'one who manages roles cannot strengthen one',
    given: [
      ann,
      ['iam.CreateRole', { name: 'clerk', permissions: ['iam.*'] }],
      ['iam.CreateBinding', { user: 'ann', role: 'clerk' }],
    ],
    when: ['iam.UpdateRole', { name: 'clerk', permissions: ['*'] }, user('ann')],
    gives: 'PERMISSION_DENIED',
  },
  {
    name: 'one who manages bindings cannot become an administrator',
    given: [
      ann,
      ['iam.CreateRole', { name: 'clerk', permissions: ['iam.*'] }],
      ['iam.CreateBinding', { user: 'ann', role: 'clerk' }],
    ],
    when: ['iam.CreateBinding', { user: 'ann', role: 'admin' }, user('ann')],
    gives: 'PERMISSION_DENIED',
  },
  {
    name: 'one who issues tokens cannot issue an administrator’s',
    given: [
      ann,
      ['iam.CreateRole', { name: 'clerk', permissions: ['iam.*'] }],
      ['iam.CreateBinding', { user: 'ann', role: 'clerk' }],
    ],
    when: ['iam.IssueToken', { user: 'admin' }, user('ann')],
    gives: 'PERMISSION_DENIED',
  },
  {
    name: 'an owner cannot issue a token for an account of its project that may do more elsewhere',
    given: [ann, owner, robot, ['iam.CreateBinding', { serviceAccount: 'default/robot', role: 'host' }]],
    when: ['iam.IssueServiceAccountToken', { project: 'default', serviceAccount: 'robot' }, user('ann')],
    gives: 'PERMISSION_DENIED',
  },
]

describe('nobody gives what they do not have', () => {
  it.each(cases)('$name', (example) => {
    play(bootstrapped(), example)
  })
})
