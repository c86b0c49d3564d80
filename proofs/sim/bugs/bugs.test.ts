import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { History } from '../history.ts'
import { allInvariants } from '../invariants/all.ts'
import { allBugs, commonBugs } from './all.ts'
import { hunt } from './hunt.ts'
import { sownText, withBug } from './sow.ts'
import { markdownTable, medianSeeds, namesInTable, withTable } from './table.ts'

const maxSeeds = 1_000
const timeout = 120_000
const document = join(import.meta.dirname, '..', '..', '..', 'docs', 'simulation.md')

describe('the simulation finds bugs sown into', () => {
  for (const bug of commonBugs) {
    test(`${bug.file}: ${bug.name}`, { timeout }, async () => {
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

test('the document names exactly the bugs and the invariants there are, each bug found (npm run proof -- sim --bugs --write)', () => {
  const text = readFileSync(document, 'utf8')
  expect(namesInTable(text, 'bugs')).toEqual(allBugs.map(({ name }) => name))
  expect(commonBugs.length).toBeGreaterThanOrEqual(25)
  expect(text.split('<!-- bugs -->')[1]).not.toContain('| — |')
  const invariants = allInvariants(new History(), 3, () => [])
  expect(namesInTable(text, 'invariants')).toEqual(invariants.map(({ name }) => name))
})

test('the table has the median of the seeds, and what caught the bug most often first', () => {
  const [bug] = allBugs
  if (bug === undefined) throw new RangeError('there are no bugs')
  const found = (seeds: number | null, invariant: string) => ({
    bug: bug.name,
    seeds,
    invariant,
    message: '',
  })
  const row = { bug, hunts: [found(30, 'core'), found(2, 'liveness'), found(7, 'core')] }
  expect(medianSeeds(row)).toBe(7)
  expect(medianSeeds({ bug, hunts: [found(null, ''), found(3, 'core'), found(null, '')] })).toBeNull()
  const table = markdownTable([row])
  expect(table).toContain(`| ${bug.name} | ${bug.breaks} | core, liveness | 7 | 30, 2, 7 |`)
  const before = '<!-- bugs -->\nold\n<!-- end of bugs -->\n'
  expect(namesInTable(withTable(before, 'bugs', table), 'bugs')).toEqual([bug.name])
  expect(() => withTable('nothing', 'bugs', table)).toThrow('no place for bugs')
})

test('a copy without a bug fails nowhere, so that what is found is the bug', { timeout }, async () => {
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
