import { expect, test } from 'vitest'
import { Explorer } from './explorer.ts'
import { proveKills } from './kills.ts'

const CRASHES = 6000
const KILLS = 20
/** Drawn anew, so that every run looks elsewhere; a failure names it. */
const seed = 1 + Math.floor(Math.random() * 1e9)

test('a crash of a simulated disk at any write, sync or change of a name loses nothing acknowledged and refuses nothing torn', async () => {
  const found = await new Explorer(seed, CRASHES).run()
  expect(found.failure, `npm run proof -- crash --seed ${seed} --crashes ${CRASHES}`).toBeUndefined()
  expect(found.crashes).toBeGreaterThanOrEqual(CRASHES)
  expect(Math.min(found.crashesInRecovery, found.flips)).toBeGreaterThan(100)
}, 120_000)

test('kill -9 of a process that appends to a real store loses nothing acknowledged', async () => {
  const found = await proveKills(KILLS, seed)
  expect(found.failures, `seed ${seed}`).toEqual([])
  expect(found.kills).toBe(KILLS)
  expect(found.acknowledged).toBeGreaterThan(KILLS)
}, 240_000)
