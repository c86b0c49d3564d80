import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { SortedKeys } from './sorted_keys.ts'

const key = fc.string({ minLength: 1, maxLength: 2 })

/** The keys of a set in order, as the simple way gives them. */
function sorted(set: ReadonlySet<string>): readonly string[] {
  return [...set].sort((a, b) => (a < b ? -1 : 1))
}

function firstOf(keys: SortedKeys): string | undefined {
  return keys.range('').next().value as string | undefined
}

describe('sorted keys', () => {
  it('are a sorted set, whatever is added and removed', () => {
    const step = fc.record({ add: fc.boolean(), key, first: fc.boolean() })
    fc.assert(
      fc.property(fc.array(step, { maxLength: 200 }), key, (steps, sought) => {
        const keys = new SortedKeys()
        const model = new Set<string>()
        for (const { add, key: given, first } of steps) {
          const at = first ? (firstOf(keys) ?? given) : given
          if (add) {
            keys.add(at)
            model.add(at)
          } else {
            keys.remove(at)
            model.delete(at)
          }
        }
        const all = sorted(model)
        expect([...keys]).toEqual(all)
        expect(keys.size).toBe(all.length)
        expect(keys.count('', sought)).toBe(all.filter((other) => other < sought).length)
        expect([...keys.range(sought)]).toEqual(all.filter((other) => other >= sought))
      }),
    )
  })

  it('go through like a queue, with the first ones given back now and then', () => {
    const keys = new SortedKeys()
    const name = (number: number): string => String(number).padStart(8, '0')
    for (let i = 0; i < 5000; i++) keys.add(name(i))
    for (let i = 0; i < 20_000; i++) {
      keys.remove(name(i))
      if (i % 7 === 0) {
        keys.add(name(i))
        expect(firstOf(keys)).toBe(name(i))
        keys.remove(name(i))
      }
      keys.add(name(5000 + i))
    }
    expect(keys.size).toBe(5000)
    expect([...keys]).toEqual(Array.from({ length: 5000 }, (_, i) => name(20_000 + i)))
  })

  it('are many, added and removed in any order, and cut into ranges', () => {
    const keys = new SortedKeys()
    const model = new Set<string>()
    let seed = 1
    const next = (): string => String((seed = (seed * 48_271) % 2_147_483_647) % 100_000)
    for (let i = 0; i < 30_000; i++) {
      const added = next()
      keys.add(added)
      model.add(added)
      const removed = next()
      keys.remove(removed)
      model.delete(removed)
    }
    const all = sorted(model)
    expect([...keys]).toEqual(all)
    for (let i = 0; i < 100; i++) {
      const [from, to] = [next(), next()]
      const wanted = all.filter((other) => other >= from && other < to)
      expect([...keys.range(from, to)]).toEqual(wanted)
      expect(keys.count(from, to)).toBe(wanted.length)
    }
  })
})
