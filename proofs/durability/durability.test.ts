import { expect, test } from 'vitest'
import { proveDurability } from './prove.ts'

test('a member that is killed while clients write, then wiped and restored, has lost and doubled nothing', async () => {
  const said: string[] = []
  const figures = await proveDurability(5, (line) => said.push(line)).catch((error: unknown) => {
    throw new Error(said.join('\n'), { cause: error })
  })
  expect(figures.kills).toBe(7)
  expect(figures.commands_acknowledged).toBeGreaterThan(5 * 8)
  expect(figures.commands_unanswered).toBeGreaterThan(0)
  expect(figures.revision).toBeGreaterThan(figures.commands_acknowledged)
  expect(figures.rows_compared).toBeGreaterThan(figures.commands_acknowledged)
  expect(figures.entries_on_disk).toBeGreaterThanOrEqual(figures.revision)
  expect(Object.keys(figures.digests)).toEqual(['tables', 'zones', 'balancers', 'hosts', 'keys'])
}, 240_000)
