import { expect, test } from 'vitest'
import type { ProofOptions } from './options.ts'
import { canCutLinks, startProof } from './start.ts'

test('planted bugs are found, and three members under faults answer as one store', async () => {
  const namespaces = canCutLinks()
  if (!namespaces) console.warn('NOT ROOT: no links are cut')
  const faults: ProofOptions['faults'] = namespaces
    ? ['kill', 'pause', 'links', 'disk']
    : ['kill', 'pause', 'disk']
  const said: string[] = []
  const seed = Math.floor(Math.random() * 1_000_000)
  const least = { operationsMin: 500, watchEventsMin: 500 }
  const options: ProofOptions = { seconds: 8, ...least, seed, clients: 6, members: 3, faults, namespaces }
  const figures = await startProof(options, (line) => said.push(line)).catch((error: unknown) => {
    throw new Error(said.join('\n'), { cause: error })
  })
  const story = [`seed ${seed}`, ...said].join('\n')
  expect(figures.violations, story).toEqual([])
  const missed = figures.planted_bugs.filter(({ found }) => !found).map(({ name }) => name)
  expect(missed, story).toEqual([])
  expect(figures.planted_bugs).toHaveLength(7)
  expect(figures.operations_ok).toBeGreaterThanOrEqual(least.operationsMin)
  expect(figures.watch_events).toBeGreaterThanOrEqual(least.watchEventsMin)
  expect(Object.values(figures.faults).reduce((sum, count) => sum + count, 0)).toBeGreaterThan(0)
  expect(figures.success).toBe(true)
}, 600_000)
