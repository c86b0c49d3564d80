import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { Scenario } from '../kernel/testing.ts'
import kvContract from './contract.ts'
import kv from './index.ts'
import { type Interval, meets, without } from './interval.ts'
import type { KeyValue, Operation, PutRequest, RangeRequest } from './model.ts'
import { presentSource } from './range.ts'
import state from './state.ts'
import { ROWS_AT_ONCE } from './sweep.ts'
import { progressOf } from './txn.ts'

const PUTS_MAX = 128
const OVERLOADED = 'OVERLOADED'

const put = (key: string, lease = '0'): PutRequest => {
  return { key, value: '', lease, previous: false, ignoreValue: false, ignoreLease: false }
}
const nameOf = (number: number): string => `k${String(number).padStart(5, '0')}`
const viewOf = (scenario: Scenario) => scenario.state.view(state)
const keysOf = (scenario: Scenario): readonly string[] =>
  [...viewOf(scenario).keys.values()].map(({ key }) => key)

/** With `a`, so many keys from `k00000` on, and `l`. */
function filled(count: number, lease = '0'): Scenario {
  const scenario = new Scenario([kv])
  scenario.run(kvContract, 'Put', put('a'))
  if (lease !== '0') scenario.run(kvContract, 'LeaseGrant', { id: lease, ttl: 10 })
  for (let from = 0; from < count; from += PUTS_MAX) {
    const success = Array.from({ length: Math.min(PUTS_MAX, count - from) }, (_, at): Operation => {
      return { kind: 'put', request: put(nameOf(from + at), lease) }
    })
    scenario.run(kvContract, 'Txn', { compare: [], success, failure: [] })
  }
  scenario.run(kvContract, 'Put', put('l'))
  return scenario
}

/** Sweeps to the end; returns in how many entries. */
function swept(scenario: Scenario): number {
  let entries = 0
  for (; viewOf(scenario).sweep.size > 0; entries++) {
    scenario.run(kvContract, 'Sweep', {})
    expect(scenario.events).toEqual([{ type: 'kv.Swept', version: 1, data: { rows: ROWS_AT_ONCE } }])
  }
  return entries
}

describe('a large deletion', () => {
  it.each([
    [ROWS_AT_ONCE - 1, 0],
    [ROWS_AT_ONCE, 0],
    [ROWS_AT_ONCE + 1, 2],
    [2 * ROWS_AT_ONCE, 3],
    [2 * ROWS_AT_ONCE + 321, 3],
  ])('of %i keys takes them in %i entries more, all in one revision, and none besides', (count, entries) => {
    const scenario = filled(count)
    const { revision } = progressOf(viewOf(scenario))
    expect(scenario.run(kvContract, 'DeleteRange', { key: 'k', rangeEnd: 'l', previous: false })).toEqual({
      revision: revision + 1,
      deleted: count,
      previous: [],
    })
    expect(scenario.events).toHaveLength(1)
    expect(swept(scenario)).toBe(entries)
    expect(keysOf(scenario)).toEqual(['a', 'l'])
    expect(progressOf(viewOf(scenario)).revision).toBe(revision + 1)
    scenario.checkReplay()
  })

  it('lets nothing of its keys be read or written before it has ended, and all others', () => {
    const scenario = filled(ROWS_AT_ONCE + 1)
    scenario.run(kvContract, 'DeleteRange', { key: 'k', rangeEnd: '\0', previous: false })
    const txn = (key: string) => {
      const success: Operation[] = [
        {
          kind: 'txn',
          request: { compare: [], success: [], failure: [{ kind: 'range', request: ranging('b', key) }] },
        },
      ]
      return {
        compare: [{ key: 'a', rangeEnd: '', result: 'equal', target: 'version', operand: '1' }],
        success,
        failure: [],
      }
    }
    const remove = (key: string, rangeEnd: string) => ({ key, rangeEnd, previous: false })
    scenario.rejected(kvContract, 'Put', put('kk'), OVERLOADED)
    scenario.rejected(kvContract, 'DeleteRange', remove('a', 'kk'), OVERLOADED)
    scenario.rejected(kvContract, 'DeleteRange', remove('l', ''), OVERLOADED)
    scenario.rejected(kvContract, 'Txn', txn('kk'), OVERLOADED)
    scenario.run(kvContract, 'Txn', txn('k'))
    scenario.run(kvContract, 'Put', put('b'))
    scenario.run(kvContract, 'DeleteRange', remove('a', 'k'))
    scenario.run(kvContract, 'LeaseGrant', { id: '5', ttl: 10 })
    scenario.run(kvContract, 'Put', put('c', '5'))
    scenario.rejected(kvContract, 'LeaseRevoke', { id: '5' }, OVERLOADED)
    swept(scenario)
    expect(keysOf(scenario)).toEqual(['c'])
    scenario.run(kvContract, 'Put', put('k', '5'))
    scenario.run(kvContract, 'LeaseRevoke', { id: '5' })
    scenario.run(kvContract, 'Sweep', {})
    expect(scenario.events).toEqual([])
    expect(keysOf(scenario)).toEqual([])
    scenario.checkReplay()
  })

  it('goes on beside another one, to the end of both', () => {
    const scenario = filled(3 * ROWS_AT_ONCE)
    const middle = nameOf(1.5 * ROWS_AT_ONCE)
    scenario.run(kvContract, 'DeleteRange', { key: middle, rangeEnd: 'l', previous: false })
    scenario.run(kvContract, 'DeleteRange', { key: 'a', rangeEnd: middle, previous: false })
    expect(viewOf(scenario).sweep.get('current')?.intervals).toHaveLength(2)
    expect(swept(scenario)).toBe(4)
    expect(keysOf(scenario)).toEqual(['l'])
    scenario.checkReplay()
  })

  it('of a lease lets nothing be read or written', () => {
    const scenario = filled(ROWS_AT_ONCE + 1, '7')
    scenario.run(kvContract, 'LeaseRevoke', { id: '7' })
    scenario.rejected(kvContract, 'Put', put('a'), OVERLOADED)
    swept(scenario)
    scenario.run(kvContract, 'Put', put('a'))
  })

  it('in a transaction is seen by what follows in it', () => {
    const scenario = filled(3 * ROWS_AT_ONCE)
    const range = (key: string, rangeEnd: string): Operation => ({
      kind: 'range',
      request: ranging(key, rangeEnd),
    })
    const remove = (key: string, rangeEnd: string): Operation => {
      return { kind: 'delete', request: { key, rangeEnd, previous: false } }
    }
    const success = [
      range('a', '\0'),
      remove(nameOf(ROWS_AT_ONCE - 5), nameOf(3 * ROWS_AT_ONCE - 5)),
      range('a', '\0'),
      remove(nameOf(ROWS_AT_ONCE - 9), nameOf(ROWS_AT_ONCE)),
      remove(nameOf(3 * ROWS_AT_ONCE - 2), 'l'),
      range(nameOf(ROWS_AT_ONCE - 10), '\0'),
    ]
    const { revision, answers } = scenario.run(kvContract, 'Txn', { compare: [], success, failure: [] })
    const end = 3 * ROWS_AT_ONCE
    const left = [ROWS_AT_ONCE - 10, end - 5, end - 4, end - 3].map(nameOf)
    const counts = [3 * ROWS_AT_ONCE + 2, 2 * ROWS_AT_ONCE, ROWS_AT_ONCE + 2, 4, 2, left.length + 1]
    expect(answers).toMatchObject(
      counts.map((count, at) => ({
        answer: success[at]?.kind === 'delete' ? { deleted: count } : { count },
      })),
    )
    expect(answers.at(-1)).toMatchObject({
      answer: { kvs: [...left, 'l'].map((key) => ({ key })), revision },
    })
    swept(scenario)
    expect(keysOf(scenario)).toEqual([
      'a',
      ...Array.from({ length: ROWS_AT_ONCE - 9 }, (_, at) => nameOf(at)),
      ...left.slice(1),
      'l',
    ])
    scenario.checkReplay()
  })

  it('in a transaction that puts a key among the deleted is refused: sweeping would take it', () => {
    const scenario = filled(ROWS_AT_ONCE + 1)
    const remove: Operation = { kind: 'delete', request: { key: 'k', rangeEnd: '\0', previous: false } }
    const nested = (...success: readonly Operation[]): Operation => {
      return { kind: 'txn', request: { compare: [], success, failure: [] } }
    }
    const among: Operation = { kind: 'put', request: put('kk') }
    for (const success of [
      [remove, among],
      [among, remove],
      [nested(remove), nested(among)],
    ])
      scenario.rejected(kvContract, 'Txn', { compare: [], success, failure: [] }, 'TOO_LARGE')
    const before: Operation = { kind: 'put', request: put('b') }
    scenario.run(kvContract, 'Txn', { compare: [], success: [remove, before], failure: [among] })
    swept(scenario)
    expect(keysOf(scenario)).toEqual(['a', 'b'])
    scenario.checkReplay()
  })

  it('may be many small ones in a transaction', () => {
    const half = ROWS_AT_ONCE / 2
    const scenario = filled(5 * half)
    const success = Array.from({ length: 5 }, (_, at): Operation => {
      const [key, rangeEnd] = [nameOf(at * half), nameOf((at + 1) * half)]
      return { kind: 'delete', request: { key, rangeEnd, previous: false } }
    })
    scenario.run(kvContract, 'Txn', { compare: [], success, failure: [] })
    expect(viewOf(scenario).keys.size).toBe(3 * half + 2)
    swept(scenario)
    expect(keysOf(scenario)).toEqual(['a', 'l'])
    scenario.checkReplay()
  })

  it('of a lease takes its keys alone', () => {
    const scenario = filled(2 * ROWS_AT_ONCE + 7, '7')
    scenario.run(kvContract, 'Put', put(nameOf(3)))
    const { revision } = progressOf(viewOf(scenario))
    expect(scenario.run(kvContract, 'LeaseRevoke', { id: '7' })).toMatchObject({ revision: revision + 1 })
    expect(viewOf(scenario).leases.size).toBe(0)
    expect(swept(scenario)).toBe(3)
    expect(keysOf(scenario)).toEqual(['a', nameOf(3), 'l'])
    scenario.checkReplay()
  })
})

function ranging(key: string, rangeEnd: string): RangeRequest {
  const [sortOrder, sortTarget] = ['none', 'key'] as const
  const bounds = { minModRevision: 0, maxModRevision: 0, minCreateRevision: 0, maxCreateRevision: 0 }
  const request = {
    key,
    rangeEnd,
    revision: 0,
    limit: 0,
    sortOrder,
    sortTarget,
    keysOnly: false,
    countOnly: false,
  }
  return { ...request, ...bounds }
}

describe('a source without intervals', () => {
  const key = fc.stringMatching(/^[abc]{1,3}$/)
  const interval = fc.tuple(key, fc.option(key, { nil: undefined }))
  const isIn = (key: string, [from, to]: Interval): boolean => key >= from && (to === undefined || key < to)

  it('counts and reads what is in none of them', () => {
    fc.assert(
      fc.property(
        fc.uniqueArray(key),
        fc.array(interval, { maxLength: 4 }),
        interval,
        fc.option(fc.integer({ min: 1, max: 5 }), { nil: undefined }),
        (keys, gone, asked, limit) => {
          const sorted = keys.toSorted()
          const table = {
            countRange: (from: string, to?: string) => sorted.filter((each) => isIn(each, [from, to])).length,
            range: (from: string, to?: string) =>
              sorted
                .filter((each) => isIn(each, [from, to]))
                .map((each) => ({ key: each }) as KeyValue)
                .values(),
          }
          const source = without(presentSource(table), gone)
          const left = sorted.filter((each) => isIn(each, asked) && !gone.some((each_) => isIn(each, each_)))
          expect(source.count(...asked)).toBe(left.length)
          expect(source.read(...asked, limit).map(({ key }) => key)).toEqual(left.slice(0, limit))
        },
      ),
      { numRuns: 2000 },
    )
  })

  it('intervals meet where a key can be in both', () => {
    expect(meets(['a', 'b'], ['b', 'c'])).toBe(false)
    expect(meets(['a', undefined], ['b', 'c'])).toBe(true)
    expect(meets(['b', 'c'], ['a', undefined])).toBe(true)
    expect(meets(['c', 'd'], ['a', 'b'])).toBe(false)
  })
})
