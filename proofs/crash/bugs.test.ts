import { describe, expect, test } from 'vitest'
import { sownText } from '../sim/bugs/sow.ts'
import { storageBugs } from './bugs.ts'
import { huntStorageBug, withStorageBug } from './sow.ts'

const CRASHES_MAX = 30_000

describe('crashes of a simulated disk find bugs sown into the storage', () => {
  for (const bug of storageBugs) {
    test(`${bug.file}: ${bug.name}`, async () => {
      const found = await huntStorageBug(bug, 1, CRASHES_MAX)
      expect(found.crashes, `not found in ${CRASHES_MAX} crashes`).not.toBeNull()
    }, 240_000)
  }
})

test('every bug has its own name and still fits the source', () => {
  expect(new Set(storageBugs.map(({ name }) => name)).size).toBe(storageBugs.length)
  for (const bug of storageBugs) expect(sownText(bug), bug.name).toContain(bug.replace)
})

test('a copy without a bug fails nowhere, so that what is found is the bug', async () => {
  await withStorageBug(null, async (explore) => {
    expect(await explore(3, 1500)).toMatchObject({ failure: undefined })
  })
}, 240_000)
