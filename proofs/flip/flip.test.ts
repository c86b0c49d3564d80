import { expect, test } from 'vitest'
import { proveFlips } from './prove.ts'

const OFFSETS = 500
/** Drawn anew, so that every run looks elsewhere; a failure names the file and the offset. */
const seed = 1 + Math.floor(Math.random() * 1e9)

test('a flipped byte in a data directory is harmless, repaired or refused, and never silently wrong', async () => {
  const said: string[] = []
  const figures = await proveFlips({ offsets: OFFSETS, seed, say: (line) => said.push(line) })
  expect(figures.failures).toEqual([])
  expect(figures.flips).toBeGreaterThanOrEqual(OFFSETS)
  const { harmless, repaired, refused } = figures.outcomes
  expect(Math.min(harmless, repaired, refused)).toBeGreaterThan(0)
  const kinds = Object.keys(figures.by_kind).join(' ')
  for (const part of ['identity.json', 'high-water-mark', '.segment', 'chainfire/wal/N', 'rows/N', 'sqlite'])
    expect(kinds).toContain(part)
}, 300_000)
