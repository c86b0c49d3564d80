import { array, assert, constantFrom, oneof, property, record } from 'fast-check'
import { expect, test } from 'vitest'
import { usageOf } from '../credit/usage.ts'
import { networked } from '../testing.ts'
import { attempt } from '../testing_model.ts'
import contract from './contract.ts'

const name = constantFrom('a', 'b', 'c')
const port = constantFrom(80, 81)
const action = oneof(
  {
    weight: 4,
    arbitrary: record({ do: constantFrom('balancer' as const, 'pool' as const, 'instance' as const), name }),
  },
  {
    weight: 2,
    arbitrary: record({
      do: constantFrom(
        'no balancer' as const,
        'no pool' as const,
        'no instance' as const,
        'no listener' as const,
      ),
      name,
    }),
  },
  {
    weight: 3,
    arbitrary: record({ do: constantFrom('listen' as const), name, balancer: name, pool: name, port }),
  },
  { weight: 1, arbitrary: record({ do: constantFrom('move' as const), name, port }) },
  { weight: 3, arbitrary: record({ do: constantFrom('join' as const), name, pool: name, instance: name }) },
)

/** Rows as a model needs them: what each has is a name. */
class Model {
  readonly balancers = new Map<string, number>()
  readonly pools = new Set<string>()
  readonly instances = new Set<string>()
  readonly listeners = new Map<string, { balancer: string; pool: string; port: number }>()
  readonly members = new Map<string, { pool: string; instance: string }>()

  lowest(): number {
    let free = 1
    while ([...this.balancers.values()].includes(free)) free++
    return free
  }

  listens(balancer: string, port: number, except = ''): boolean {
    return [...this.listeners].some(
      ([name, row]) => name !== except && row.balancer === balancer && row.port === port,
    )
  }
}

test('load balancers, pools and members are as a simpler model says', () => {
  const law = property(array(action, { maxLength: 40, size: 'max' }), (actions) => {
    const scenario = networked()
    const model = new Model()
    const { balancers, pools, instances, listeners, members } = model
    const tryTo = (type: string, more: object) => attempt(scenario, [type, { project: 'default', ...more }])
    for (const one of actions) {
      const { name } = one
      switch (one.do) {
        case 'balancer': {
          const tried = tryTo('lb.CreateLoadBalancer', { name })
          expect(tried.accepted).toBe(!balancers.has(name))
          if (!tried.accepted) break
          expect(tried.result['address']).toBe(`127.77.0.${model.lowest()}`)
          balancers.set(name, model.lowest())
          break
        }
        case 'no balancer':
          expect(tryTo('lb.DeleteLoadBalancer', { name }).accepted).toBe(balancers.delete(name))
          for (const [key, { balancer }] of listeners) if (balancer === name) listeners.delete(key)
          break
        case 'pool':
          expect(tryTo('lb.CreatePool', { name }).accepted).toBe(!pools.has(name))
          pools.add(name)
          break
        case 'no pool': {
          const used = [...listeners.values()].some(({ pool }) => pool === name)
          expect(tryTo('lb.DeletePool', { name }).accepted).toBe(pools.has(name) && !used)
          if (used) break
          pools.delete(name)
          for (const [key, { pool }] of members) if (pool === name) members.delete(key)
          break
        }
        case 'instance': {
          const request = { name, image: 'guest', subnet: 'front', intent: 'stopped' }
          expect(tryTo('vm.CreateInstance', request).accepted).toBe(!instances.has(name))
          instances.add(name)
          break
        }
        case 'no instance':
          expect(tryTo('vm.DeleteInstance', { name }).accepted).toBe(instances.delete(name))
          for (const [key, { instance }] of members) if (instance === name) members.delete(key)
          break
        case 'no listener':
          expect(tryTo('lb.DeleteListener', { name }).accepted).toBe(listeners.delete(name))
          break
        case 'listen': {
          const { balancer, pool, port } = one
          const request = { name, loadBalancer: balancer, pool, port, protocol: 'TCP' }
          const { accepted } = tryTo('lb.CreateListener', request)
          const there = balancers.has(balancer) && pools.has(pool)
          expect(accepted).toBe(there && !listeners.has(name) && !model.listens(balancer, port))
          if (accepted) listeners.set(name, { balancer, pool, port })
          break
        }
        case 'move': {
          const row = listeners.get(name)
          const { accepted } = tryTo('lb.UpdateListener', { name, port: one.port })
          expect(accepted).toBe(row !== undefined && !model.listens(row.balancer, one.port, name))
          if (accepted && row !== undefined) row.port = one.port
          break
        }
        case 'join': {
          const { pool, instance } = one
          const { accepted } = tryTo('lb.CreateMember', { name, pool, instance, port: 80 })
          expect(accepted).toBe(pools.has(pool) && instances.has(instance) && !members.has(name))
          if (accepted) members.set(name, { pool, instance })
        }
      }
      expect(usageOf(scenario.state, 'default', 'load-balancers').used).toBe(balancers.size)
    }
    for (const [kind, rows] of [
      ['load_balancer', balancers],
      ['pool', pools],
      ['listener', listeners],
      ['member', members],
    ] as const) {
      const found = [...scenario.state.resource(contract, kind).values()].map((row) => row.name)
      expect(new Set(found)).toEqual(new Set(rows.keys()))
    }
    scenario.checkReplay()
  })
  assert(law, { numRuns: 100 })
})
