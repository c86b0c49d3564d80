import { describe, expect, it } from 'vitest'
import { columnsOf } from './columns.ts'
import { findKind } from './kinds.ts'
import { contractRegistry } from './testing_contracts.ts'

const registry = await contractRegistry()
const titles = (kind: string, wide = false): readonly string[] =>
  columnsOf(registry, findKind(registry, kind), wide).map(({ title }) => title)

describe('columns', () => {
  it('are the ones that a person looks for', () => {
    expect(titles('instance')).toEqual([
      'INTENT',
      'LIFECYCLE',
      'ADDRESS',
      'PORT',
      'IMAGE',
      'HOST',
      'DNS NAME',
    ])
    expect(titles('host').slice(0, 2)).toEqual(['POLICY', 'HEALTH'])
    expect(titles('record-set').slice(0, 2)).toEqual(['TYPE', 'DOMAIN NAME'])
  })

  it.each([...registry.kinds.keys()])('of %s are few, and all of them wide', (kind) => {
    const narrow = titles(kind)
    expect(narrow.length).toBeLessThanOrEqual(7)
    expect(titles(kind, true)).toEqual(expect.arrayContaining([...narrow]))
  })

  it('know which uids have a name', () => {
    const targets = new Map(
      columnsOf(registry, findKind(registry, 'instance'), true).map(({ field, target }) => [
        field.key,
        target,
      ]),
    )
    expect(targets.get('image')).toBe('vm.image')
    expect(targets.get('host')).toBe('vm.host')
    expect(targets.get('incarnation')).toBe('vm.incarnation')
    expect(targets.get('vcpus')).toBeUndefined()
  })
})
