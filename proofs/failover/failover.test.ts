import { expect, test } from 'vitest'
import { ELECTION_TIMEOUT_MS_MAX } from './cluster.ts'
import { proveFailover } from './prove.ts'

test('a leader that is killed, stands still or is told to end: no acknowledged command is lost or doubled', async () => {
  const said: string[] = []
  const figures = await proveFailover(1, (line) => said.push(line)).catch((error: unknown) => {
    throw new Error(said.join('\n'), { cause: error })
  })
  const [kill] = figures.kills
  expect(kill?.failover_ms).toBeGreaterThan(0)
  expect(kill?.failover_ms).toBeLessThanOrEqual(5 * ELECTION_TIMEOUT_MS_MAX)
  expect(kill?.entries_missed).toBeGreaterThan(0)
  expect(figures.commands_acknowledged).toBeGreaterThan(500)
  expect(figures.commands_retried).toBeGreaterThan(0)
  expect(figures.reads_of_own_writes).toBeGreaterThan(10)
  expect(figures.pause.failover_ms).toBeGreaterThan(0)
  expect(Object.keys(figures.digests)).toEqual(['tables', 'zones', 'balancers', 'hosts', 'keys'])
}, 120_000)
