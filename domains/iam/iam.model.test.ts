import { array, assert, constantFrom, oneof, property, record } from 'fast-check'
import { expect, test } from 'vitest'
import { nameKey } from '../kernel/domain.ts'
import { bootstrapped } from '../testing.ts'
import { attempt } from '../testing_model.ts'
import { authorize } from './authorize.ts'
import contract from './contract.ts'

const users = ['admin', 'ann', 'bob'] as const
const projects = ['default', 'shop', 'mill'] as const
const organizations = { default: 'default', shop: 'acme', mill: 'acme' } as const
/** What the roles give, said once more and simpler. */
const roles: Readonly<Record<string, (permission: string) => boolean>> = {
  admin: () => true,
  owner: () => true,
  editor: (permission) => /^(vpc|vm|dns|lb)\./.test(permission) || permission.endsWith('.get'),
  viewer: (permission) => permission.endsWith('.get'),
  host: (permission) => ['vm.hosts.heartbeat', 'vm.hosts.report'].includes(permission),
}
const permissions = ['vm.instances.create', 'vm.instances.get', 'iam.users.create', 'vm.hosts.report']

interface Bound {
  readonly name: string
  readonly user: string
  readonly role: string
  readonly scope: 'system' | 'organization' | 'project'
  readonly at: string
}

const user = constantFrom(...users)
const action = oneof(
  record({
    do: constantFrom('bind' as const),
    user,
    role: constantFrom(...Object.keys(roles)),
    place: constantFrom(
      ['system', ''],
      ['organization', 'acme'],
      ['organization', 'default'],
      ...projects.map((project) => ['project', project]),
    ),
  }),
  record({ do: constantFrom('unbind' as const), which: constantFrom(0, 1, 2, 3) }),
  record({
    do: constantFrom('suspend' as const, 'resume' as const, 'delete' as const, 'create' as const),
    user,
  }),
)

class Model {
  readonly users = new Map<string, { suspended: boolean }>(users.map((name) => [name, { suspended: false }]))
  bindings: Bound[] = [{ name: 'admin', user: 'admin', role: 'admin', scope: 'system', at: '' }]

  hasAdmin(without: { user?: string; binding?: string }): boolean {
    return this.bindings.some(
      ({ name, user, role, scope }) =>
        role === 'admin' &&
        scope === 'system' &&
        name !== without.binding &&
        user !== without.user &&
        this.users.get(user)?.suspended === false,
    )
  }

  allowed(name: string, permission: string, project: string): boolean {
    if (this.users.get(name)?.suspended !== false) return false
    const around = ['', organizations[project as keyof typeof organizations], project]
    return this.bindings.some(
      ({ user, role, scope, at }) =>
        user === name &&
        roles[role]?.(permission) === true &&
        at === around[['system', 'organization', 'project'].indexOf(scope)],
    )
  }
}

test('who may do what is as a simpler model says, and an administrator is always left', () => {
  const law = property(array(action, { maxLength: 25, size: 'max' }), (actions) => {
    const scenario = bootstrapped()
    const model = new Model()
    scenario.run(contract, 'CreateOrganization', { name: 'acme' })
    for (const name of ['shop', 'mill'])
      scenario.run(contract, 'CreateProject', { organization: 'acme', name })
    for (const name of ['ann', 'bob']) scenario.run(contract, 'CreateUser', { name })
    for (const [n, one] of actions.entries()) {
      switch (one.do) {
        case 'bind': {
          const [scope, at] = one.place as [Bound['scope'], string]
          const kind = { system: '', organization: 'Organization', project: 'Project' }[scope]
          const bound = { name: `b${n}`, user: one.user, role: one.role }
          const where = scope === 'system' ? {} : { [scope]: at }
          const { accepted } = attempt(scenario, [`iam.Create${kind}Binding`, { ...bound, ...where }])
          expect(accepted).toBe(model.users.has(one.user))
          if (accepted) model.bindings.push({ ...bound, scope, at })
          break
        }
        case 'unbind': {
          const name = model.bindings[one.which]?.name ?? 'none'
          const { accepted } = attempt(scenario, ['iam.DeleteBinding', { name }])
          expect(accepted).toBe(name !== 'none' && (!model.hasAdmin({}) || model.hasAdmin({ binding: name })))
          if (accepted) model.bindings = model.bindings.filter((binding) => binding.name !== name)
          break
        }
        case 'suspend': {
          const { accepted } = attempt(scenario, ['iam.SuspendUser', { name: one.user }])
          const row = model.users.get(one.user)
          expect(accepted).toBe(row?.suspended === false && model.hasAdmin({ user: one.user }))
          if (accepted && row !== undefined) row.suspended = true
          break
        }
        case 'resume': {
          const { accepted } = attempt(scenario, ['iam.ResumeUser', { name: one.user }])
          const row = model.users.get(one.user)
          expect(accepted).toBe(row?.suspended === true)
          if (accepted && row !== undefined) row.suspended = false
          break
        }
        case 'delete': {
          const { accepted } = attempt(scenario, ['iam.DeleteUser', { name: one.user }])
          expect(accepted).toBe(model.users.has(one.user) && model.hasAdmin({ user: one.user }))
          if (!accepted) break
          model.users.delete(one.user)
          model.bindings = model.bindings.filter((binding) => binding.user !== one.user)
          break
        }
        case 'create': {
          const { accepted } = attempt(scenario, ['iam.CreateUser', { name: one.user }])
          expect(accepted).toBe(!model.users.has(one.user))
          if (accepted) model.users.set(one.user, { suspended: false })
        }
      }
      expect(model.hasAdmin({})).toBe(true)
    }
    for (const name of users) {
      const uid = scenario.state.resource(contract, 'user').find('name', nameKey('', name))?.uid ?? 'none'
      for (const permission of permissions) {
        for (const project of projects) {
          const actor = { principal: uid, kind: 'user' } as const
          const { allowed, why } = authorize(scenario.state, actor, permission, 'project', project)
          expect([name, permission, project, allowed, why.length > 0]).toEqual([
            ...[name, permission, project],
            model.allowed(name, permission, project),
            true,
          ])
        }
      }
    }
    scenario.checkReplay()
  })
  assert(law, { numRuns: 60 })
})
