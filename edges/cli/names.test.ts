import { array, assert, nat, property, stringMatching } from 'fast-check'
import { describe, expect, it } from 'vitest'
import { didYouMean, kebabCase, nearest } from './names.ts'

describe('kebabCase', () => {
  it.each([
    ['CreateInstance', 'create-instance'],
    ['memoryMebibytes', 'memory-mebibytes'],
    ['record_set', 'record-set'],
    ['load-balancers', 'load-balancers'],
    ['dnsZone', 'dns-zone'],
  ])('%s is %s', (name, flag) => {
    expect(kebabCase(name)).toBe(flag)
  })
})

describe('nearest', () => {
  it('finds what was meant, and nothing when nothing is near', () => {
    const words = ['instance', 'instances', 'image', 'host', 'subnet']
    expect(nearest('instanse', words)).toEqual(['instance'])
    expect(nearest('ohst', words)).toEqual(['host'])
    expect(nearest('sub', words)).toEqual(['subnet'])
    expect(nearest('HOST', words)).toEqual(['host'])
    expect(nearest('balancer', words)).toEqual([])
    expect(didYouMean('balancer', words)).toBeUndefined()
    expect(didYouMean('in', ['on', 'an'])).toBe('Did you mean an or on?')
  })

  it('finds every word itself, also with two neighbours swapped', () => {
    const word = stringMatching(/^[a-z]{4,12}$/)
    assert(
      property(word, array(word), nat(), (wanted, others, at) => {
        const candidates = [wanted, ...others]
        expect(nearest(wanted, candidates)).toContain(wanted)
        const index = at % (wanted.length - 1)
        const swapped =
          wanted.slice(0, index) + (wanted[index + 1] ?? '') + (wanted[index] ?? '') + wanted.slice(index + 2)
        expect(nearest(swapped, [wanted])).toEqual([wanted])
      }),
    )
  })
})
