import { describe, expect, it } from 'vitest'
import { Scenario } from '../kernel/testing.ts'
import { checkSamples } from '../testing.ts'
import kvContract from './contract.ts'
import kv from './index.ts'
import type { Operation, PutRequest, RangeRequest } from './model.ts'
import state from './state.ts'
import { progressOf } from './txn.ts'

const put = (key: string, value: string, lease = '0'): PutRequest => {
  return { key, value, lease, previous: true, ignoreValue: false, ignoreLease: false }
}
const range = (key: string, rangeEnd = '', revision = 0): RangeRequest => ({
  key,
  rangeEnd,
  revision,
  limit: 0,
  sortOrder: 'none',
  sortTarget: 'key',
  keysOnly: false,
  countOnly: false,
  minModRevision: 0,
  maxModRevision: 0,
  minCreateRevision: 0,
  maxCreateRevision: 0,
})
const viewOf = (scenario: Scenario) => scenario.state.view(state)

/** As the first entry of a log. */
function begun(): Scenario {
  const scenario = new Scenario([kv])
  scenario.run(kvContract, 'Put', put('a', '1'))
  return scenario
}

describe('keys', () => {
  it('have revisions and versions of their own, from 2 on', () => {
    const scenario = begun()
    expect(scenario.run(kvContract, 'Put', put('a', '2'))).toMatchObject({
      revision: 3,
      previous: { key: 'a', value: '1', createRevision: 2, modRevision: 2, version: 1, lease: '0' },
    })
    expect(viewOf(scenario).keys.get('a')).toMatchObject({ createRevision: 2, modRevision: 3, version: 2 })
    expect(
      scenario.run(kvContract, 'DeleteRange', { key: 'a', rangeEnd: '\0', previous: false }),
    ).toMatchObject({
      revision: 4,
      deleted: 1,
    })
    expect(
      scenario.run(kvContract, 'DeleteRange', { key: 'a', rangeEnd: '', previous: false }),
    ).toMatchObject({
      revision: 4,
      deleted: 0,
    })
    scenario.checkReplay()
  })

  it('go into the log once, and nothing but the events', () => {
    const record = begun().records[0]
    expect(record).toMatchObject({ request: {}, result: {} })
    expect(record?.events).toHaveLength(1)
  })

  it('take no command id, as the answer is not remembered', () => {
    const commandId = '01890a5d-ac96-774b-bcce-b302099a8057'
    begun().rejected(kvContract, 'Put', put('a', '2'), 'INVALID_ARGUMENT', { commandId })
  })
})

describe('transactions', () => {
  it('do all in one revision, by comparisons of what was before', () => {
    const scenario = begun()
    const success: Operation[] = [
      { kind: 'put', request: put('b', '1') },
      {
        kind: 'txn',
        request: {
          compare: [{ key: 'b', rangeEnd: '', result: 'equal', target: 'create', operand: '0' }],
          success: [{ kind: 'range', request: range('a', '\0') }],
          failure: [],
        },
      },
    ]
    const compare = [{ key: 'a', rangeEnd: '', result: 'equal', target: 'value', operand: '1' }]
    const answer = scenario.run(kvContract, 'Txn', { compare, success, failure: [] })
    expect(answer).toMatchObject({
      revision: 3,
      succeeded: true,
      answers: [
        { kind: 'put', answer: { revision: 3 } },
        { kind: 'txn', answer: { succeeded: true, answers: [{ answer: { count: 2, revision: 3 } }] } },
      ],
    })
    scenario.checkReplay()
  })

  it('change nothing when one operation is refused', () => {
    const failure: Operation[] = [
      { kind: 'delete', request: { key: 'a', rangeEnd: '\0', previous: false } },
      { kind: 'put', request: { ...put('a', ''), ignoreValue: true } },
    ]
    const compare = [{ key: 'a', rangeEnd: '', result: 'equal', target: 'version', operand: '9' }]
    const { message } = begun().rejected(
      kvContract,
      'Txn',
      { compare, success: [], failure },
      'INVALID_ARGUMENT',
    )
    expect(message).toBe('etcdserver: key not found')
  })

  it('leave ranges of the past to the history', () => {
    const success: Operation[] = [{ kind: 'range', request: range('a', '', 1) }]
    const scenario = begun()
    expect(scenario.run(kvContract, 'Txn', { compare: [], success, failure: [] })).toMatchObject({
      answers: [{ kind: 'past', revision: 2 }],
    })
    const late: Operation[] = [{ kind: 'range', request: range('a', '', 9) }]
    scenario.rejected(kvContract, 'Txn', { compare: [], success: late, failure: [] }, 'REVISION_UNKNOWN')
  })
})

describe('leases', () => {
  it('take their keys with them, in one revision', () => {
    const scenario = begun()
    scenario.run(kvContract, 'LeaseGrant', { id: '-7', ttl: 10 })
    scenario.rejected(kvContract, 'LeaseGrant', { id: '-7', ttl: 10 }, 'FAILED_PRECONDITION')
    scenario.rejected(kvContract, 'Put', put('x', '', '8'), 'NOT_FOUND')
    for (const key of ['x', 'y', 'z']) scenario.run(kvContract, 'Put', put(key, '', '-7'))
    scenario.run(kvContract, 'Put', put('z', ''))
    expect(scenario.run(kvContract, 'LeaseRevoke', { id: '-7' })).toMatchObject({ revision: 7 })
    expect([...viewOf(scenario).keys.values()].map(({ key }) => key)).toEqual(['a', 'z'])
    scenario.rejected(kvContract, 'LeaseRevoke', { id: '-7' }, 'NOT_FOUND')
    scenario.checkReplay()
  })
})

describe('compaction and restore', () => {
  it('compact forwards alone, and not into the future', () => {
    const scenario = begun()
    scenario.run(kvContract, 'Compact', { revision: 2 })
    scenario.rejected(kvContract, 'Compact', { revision: 2 }, 'REVISION_COMPACTED')
    scenario.rejected(kvContract, 'Compact', { revision: 3 }, 'REVISION_UNKNOWN')
    const success: Operation[] = [{ kind: 'range', request: range('a', '', 1) }]
    scenario.rejected(kvContract, 'Txn', { compare: [], success, failure: [] }, 'REVISION_COMPACTED')
    scenario.checkReplay()
  })

  it('a restored history goes on far ahead, where no client of the lost one has been', () => {
    const scenario = begun()
    const { now } = scenario
    const history = { kind: 'history', time: now, history: 'new', parent: 'old', parentRevision: 1 } as const
    scenario.engine.apply(history, 2)
    expect(progressOf(viewOf(scenario))).toEqual({ revision: 1_000_000_002, compacted: 1_000_000_002 })
    expect(scenario.run(kvContract, 'Put', put('a', '2')).revision).toBe(1_000_000_003)
  })
})

it('keeps a sample of every event', async () => {
  expect(await checkSamples('kv')).toBe(6)
})
