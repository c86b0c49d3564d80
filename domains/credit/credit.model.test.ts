import { array, assert, constantFrom, oneof, property, record } from 'fast-check'
import { expect, test } from 'vitest'
import { networked } from '../testing.ts'
import { attempt } from '../testing_model.ts'
import { usageOf } from './usage.ts'

const names = ['a', 'b', 'c', 'd'] as const
const action = oneof(
  record({ do: constantFrom('take' as const, 'give' as const), name: constantFrom(...names) }),
  record({
    do: constantFrom('grow' as const),
    name: constantFrom(...names),
    memory: constantFrom(64, 255, 256, 257, 512),
  }),
  record({ do: constantFrom('limit' as const), memory: constantFrom(0, 255, 256, 511, 512, 767, 768) }),
  record({ do: constantFrom('unlimit' as const) }),
)

const DEFAULT = 409_600
const FIRST = 256

test('what is held of a quota is what its holders hold, and never more than was allowed when it was taken', () => {
  const law = property(array(action, { maxLength: 25, size: 'max' }), (actions) => {
    const scenario = networked()
    const held = new Map<string, number>()
    let limit: number | undefined
    const used = (): number => [...held.values()].reduce((sum, amount) => sum + amount, 0)
    for (const one of actions) {
      switch (one.do) {
        case 'take': {
          const request = { image: 'guest', subnet: 'front', intent: 'stopped' }
          const tried = attempt(scenario, [
            'vm.CreateInstance',
            { project: 'default', name: one.name, ...request },
          ])
          const fits = used() + FIRST <= (limit ?? DEFAULT)
          expect(tried.accepted).toBe(fits && !held.has(one.name))
          if (!tried.accepted && !held.has(one.name)) expect(tried.code).toBe('QUOTA_EXCEEDED')
          if (tried.accepted) held.set(one.name, FIRST)
          break
        }
        case 'give': {
          const { accepted } = attempt(scenario, [
            'vm.DeleteInstance',
            { project: 'default', name: one.name },
          ])
          expect(accepted).toBe(held.delete(one.name))
          break
        }
        case 'grow': {
          const before = held.get(one.name)
          const { accepted } = attempt(scenario, [
            'vm.UpdateInstance',
            { project: 'default', name: one.name, memoryMebibytes: one.memory },
          ])
          const fits = before === one.memory || used() - (before ?? 0) + one.memory <= (limit ?? DEFAULT)
          expect(accepted).toBe(before !== undefined && fits)
          if (accepted) held.set(one.name, one.memory)
          break
        }
        case 'limit': {
          const request = { project: 'default', class: 'memory-mib', limit: one.memory }
          expect(attempt(scenario, ['credit.SetQuota', request]).accepted).toBe(true)
          limit = one.memory
          break
        }
        case 'unlimit': {
          const request = { project: 'default', class: 'memory-mib' }
          expect(attempt(scenario, ['credit.DeleteQuota', request]).accepted).toBe(limit !== undefined)
          limit = undefined
        }
      }
      expect(usageOf(scenario.state, 'default', 'memory-mib')).toMatchObject({
        used: used(),
        limit: limit ?? DEFAULT,
      })
      for (const counted of ['instances', 'ports', 'vcpus'] as const)
        expect(usageOf(scenario.state, 'default', counted).used).toBe(held.size)
    }
    scenario.checkReplay()
  })
  assert(law, { numRuns: 150 })
})
