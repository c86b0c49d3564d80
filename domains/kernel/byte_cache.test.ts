import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { ByteCache } from './byte_cache.ts'

const BOUND = 100

describe('a cache bounded in bytes', () => {
  it('gives the last value that was set or none, and never keeps more than its bound', () => {
    const step = fc.record({
      key: fc.integer({ min: 0, max: 9 }),
      bytes: fc.integer({ min: 1, max: 60 }),
      do: fc.constantFrom('set' as const, 'get' as const, 'get' as const, 'delete' as const),
    })
    fc.assert(
      fc.property(fc.array(step, { maxLength: 300 }), (steps) => {
        const cache = new ByteCache<number, number>(BOUND)
        const model = new Map<number, { value: number; bytes: number }>()
        steps.forEach(({ key, bytes, do: action }, value) => {
          if (action === 'set') {
            cache.set(key, value, bytes)
            model.set(key, { value, bytes })
          } else if (action === 'delete') {
            cache.delete(key)
            model.delete(key)
          } else expect([undefined, model.get(key)?.value]).toContain(cache.get(key))
        })
        let kept = 0
        for (const [key, { bytes }] of model) if (cache.get(key) !== undefined) kept += bytes
        expect(kept).toBeLessThanOrEqual(BOUND)
      }),
    )
  })

  it('keeps what is used, and forgets what is not', () => {
    const cache = new ByteCache<number, string>(BOUND)
    cache.set(0, 'used', 10)
    cache.set(1, 'not used', 10)
    for (let key = 2; key < 100; key++) {
      cache.set(key, 'other', 10)
      expect(cache.get(0)).toBe('used')
    }
    expect(cache.get(1)).toBeUndefined()
  })
})
