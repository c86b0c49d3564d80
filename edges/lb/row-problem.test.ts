import { expect, test } from 'vitest'
import { defaultBounds } from './bounds.ts'
import type { ListenerRow, MonitorRow } from './listener-row.ts'
import { rowProblem } from './row-problem.ts'
import { member, row } from './test-support.ts'

const monitor: MonitorRow = {
  type: 'HTTP',
  intervalMilliseconds: 1_000,
  timeoutMilliseconds: 500,
  rise: 2,
  fall: 3,
  path: '/health',
  expectedCodes: '200-299',
}

test('a sound row has no problem', () => {
  expect(rowProblem(row([member('a', 80)], { monitor, address: '::1' }), defaultBounds)).toBeNull()
})

test.each<{ more: Partial<ListenerRow>; words: string }>([
  { more: { address: 'localhost' }, words: 'not an IP address' },
  { more: { port: 65_536 }, words: 'port 65536' },
  { more: { connectionLimit: -1 }, words: 'connectionLimit' },
  { more: { members: [member('a', 0)] }, words: 'member "a": port 0' },
  { more: { members: [member('a', 80, { weight: 257 })] }, words: 'weight 257' },
  { more: { members: [member('a', 80, { address: 'web' })] }, words: 'address "web"' },
  {
    more: { members: Array.from({ length: 1_025 }, (_, index) => member(`${index}`, 80)) },
    words: '1025 members',
  },
  { more: { members: [member('a', 80), member('a', 81)] }, words: 'listed twice' },
  { more: { monitor: { ...monitor, rise: 0 } }, words: 'rise' },
  { more: { monitor: { ...monitor, fall: 1.5 } }, words: 'fall' },
  { more: { monitor: { ...monitor, intervalMilliseconds: 0 } }, words: 'interval' },
  { more: { monitor: { ...monitor, timeoutMilliseconds: Number.NaN } }, words: 'timeout' },
  { more: { monitor: { ...monitor, path: '/a b' } }, words: 'path' },
  { more: { monitor: { ...monitor, expectedCodes: 'fine' } }, words: 'expectedCodes' },
])('says what is wrong: $words', ({ more, words }) => {
  expect(rowProblem(row([member('a', 80)], more), defaultBounds)).toContain(words)
})
