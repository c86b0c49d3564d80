import { expect, it } from 'vitest'
import { Scenario } from '../kernel/testing.ts'
import kvContract from './contract.ts'
import kv from './index.ts'
import type { Operation, PutRequest, RangeRequest } from './model.ts'

const KEYS = 10_001
const TOGETHER = 128

const put = (key: string): PutRequest => {
  return { key, value: '', lease: '0', previous: false, ignoreValue: false, ignoreLease: false }
}

function filled(): Scenario {
  const scenario = new Scenario([kv])
  for (let from = 0; from < KEYS; from += TOGETHER) {
    const success = Array.from({ length: Math.min(TOGETHER, KEYS - from) }, (_, at): Operation => {
      return { kind: 'put', request: put(`k${String(from + at).padStart(5, '0')}`) }
    })
    scenario.run(kvContract, 'Txn', { compare: [], success, failure: [] })
  }
  return scenario
}

function range(limit: number, countOnly = false): Operation {
  const [sortOrder, sortTarget] = ['none', 'key'] as const
  const revisions = { minModRevision: 0, maxModRevision: 0, minCreateRevision: 0, maxCreateRevision: 0 }
  const interval = { key: 'k', rangeEnd: 'l', revision: 0, keysOnly: false }
  const request: RangeRequest = { ...interval, limit, sortOrder, sortTarget, countOnly, ...revisions }
  return { kind: 'range', request }
}

const success = (...operations: readonly Operation[]) => ({ compare: [], success: operations, failure: [] })

it('a transaction reads 20,000 keys at most, by whatever it reads them', () => {
  const scenario = filled()
  const { answers } = scenario.run(kvContract, 'Txn', success(range(0), range(9_998), range(0, true)))
  expect(answers).toMatchObject([
    { answer: { count: KEYS } },
    { answer: { more: true, count: KEYS } },
    { answer: { kvs: [], count: KEYS } },
  ])
  const compare = [{ key: 'k', rangeEnd: 'l', result: 'greater', target: 'version', operand: '0' }]
  const message = 'too many keys to read in txn request'
  expect(scenario.rejected(kvContract, 'Txn', success(range(0), range(0)), 'TOO_LARGE').message).toContain(
    message,
  )
  const compared = { ...success(range(0)), compare }
  expect(scenario.rejected(kvContract, 'Txn', compared, 'TOO_LARGE').message).toContain(message)
  const taken: Operation = { kind: 'delete', request: { key: 'k', rangeEnd: 'l', previous: true } }
  expect(scenario.rejected(kvContract, 'Txn', success(range(0), taken), 'TOO_LARGE').message).toContain(
    message,
  )
  scenario.checkReplay()
})
