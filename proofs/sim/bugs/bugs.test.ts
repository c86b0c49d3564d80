import { describe, expect, test } from 'vitest'
import { allBugs, commonBugs } from './all.ts'
import { hunt } from './hunt.ts'
import { sownText, withBug } from './sow.ts'

const maxSeeds = 500

describe('the simulation finds bugs sown into', () => {
  for (const bug of commonBugs) {
    test(`${bug.file}: ${bug.name}`, async () => {
      const [found] = await hunt(bug, [0], maxSeeds)
      expect(found?.seeds, `not found within ${maxSeeds} seeds`).toBeGreaterThan(0)
      expect(found?.message).not.toBe('')
    })
  }
})

test('every bug has its own name and still fits the source', () => {
  expect(new Set(allBugs.map(({ name }) => name)).size).toBe(allBugs.length)
  for (const bug of allBugs) expect(sownText(bug), bug.name).toContain(bug.replace)
})

test('a copy without a bug fails nowhere, so that what is found is the bug', async () => {
  await withBug(null, (run) => {
    for (let seed = 1; seed <= 100; seed += 1) {
      const { failure } = run(seed, {
        members: seed % 2 === 0 ? 3 : 5,
        safetySteps: 4_000,
        keepsTrace: false,
      })
      expect(failure, `seed ${seed}`).toBeNull()
    }
  })
})

test('a bug whose place is gone is reported', async () => {
  const bug = {
    name: 'nowhere',
    breaks: 'nothing',
    file: 'log/raft/raft.ts',
    find: 'no such text',
    replace: '',
  }
  await expect(withBug(bug, () => 0)).rejects.toThrow('occurs 0 times')
})
