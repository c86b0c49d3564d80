import { expect, it } from 'vitest'
import type { Platform } from '../../domains/kernel/platform.ts'
import { Scenario } from '../../domains/kernel/testing.ts'
import kvContract from '../../domains/kv/contract.ts'
import kv from '../../domains/kv/index.ts'
import type { Operation, PutRequest } from '../../domains/kv/model.ts'
import state from '../../domains/kv/state.ts'
import { ROWS_AT_ONCE } from '../../domains/kv/sweep.ts'
import type { Member } from './member.ts'
import { type Subscriber, WatchHub } from './watch_hub.ts'

type Listener = Parameters<Platform['onApplied']>[0]

const put = (key: string): PutRequest => {
  return { key, value: '', lease: '0', previous: false, ignoreValue: false, ignoreLease: false }
}

it('a large deletion is told of to who watches its keys, and what else is in its entry to all others', () => {
  const scenario = new Scenario([kv])
  let listener: Listener = () => undefined
  const platform = { onApplied: (each: Listener) => ((listener = each), () => undefined) }
  const hub = new WatchHub({ platform, view: scenario.state.view(state) } as unknown as Member)
  const said: string[] = []
  const watch = (name: string, from: string, to: string | undefined): void => {
    const subscriber: Subscriber = {
      from,
      to,
      offer: (revision, events) =>
        said.push(`${name}: ${events.map(({ kv: { key } }) => key).join(' ')} at ${revision}`),
      offerLarge: (revision) => said.push(`${name}: the history at ${revision}`),
    }
    hub.subscribe(subscriber)
  }
  watch('all', '\0', undefined)
  watch('other', 'x', 'y')
  watch('one of them', 'k00001', 'k00001\0')
  watch('one other', 'w', 'w\0')
  const { journal } = scenario.state
  const take = journal.take.bind(journal)
  journal.take = () => {
    const writes = take()
    listener(writes, { revision: scenario.records.length, time: 1 })
    return writes
  }
  const operations = (from: number, count: number): Operation[] =>
    Array.from({ length: count }, (_, at) => {
      return { kind: 'put', request: put(`k${String(from + at).padStart(5, '0')}`) }
    })
  for (let from = 0; from <= ROWS_AT_ONCE; from += 100)
    scenario.run(kvContract, 'Txn', { compare: [], success: operations(from, 100), failure: [] })
  const { revision } = hub
  said.length = 0
  const remove: Operation = { kind: 'delete', request: { key: 'k', rangeEnd: 'l', previous: false } }
  const others = ['w', 'x1'].map((key): Operation => ({ kind: 'put', request: put(key) }))
  scenario.run(kvContract, 'Txn', { compare: [], success: [remove, ...others], failure: [] })
  scenario.run(kvContract, 'Sweep', {})
  scenario.run(kvContract, 'Sweep', {})
  expect(said.toSorted()).toEqual([
    `all: the history at ${revision + 1}`,
    `one of them: the history at ${revision + 1}`,
    `one other: w at ${revision + 1}`,
    `other: x1 at ${revision + 1}`,
  ])
  expect(hub.revision).toBe(revision + 1)
})
