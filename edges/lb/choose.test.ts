import { array, assert, integer, property } from 'fast-check'
import { expect, test } from 'vitest'
import { Backend } from './backend.ts'
import { defaultBounds } from './bounds.ts'
import { chooseBySource, chooseLeastConnections, chooseRoundRobin } from './choose.ts'
import { member } from './test-support.ts'

function backends(...weights: number[]): Backend[] {
  return weights.map(
    (weight, index) => new Backend(member(`${'abcdefghij'[index]}`, 80, { weight }), defaultBounds),
  )
}

function names(picks: readonly (Backend | null)[]): string {
  return picks.map((pick) => pick?.name ?? '-').join('')
}

test('round robin spreads a heavy member as nginx does', () => {
  const members = backends(5, 1, 1)
  expect(names(Array.from({ length: 14 }, () => chooseRoundRobin(members)))).toBe('aabacaaaabacaa')
})

test('round robin is exact: over a sum of weights each member gets its weight', () => {
  assert(
    property(array(integer({ min: 1, max: 256 }), { minLength: 1, maxLength: 10 }), (weights) => {
      const members = backends(...weights)
      const total = weights.reduce((sum, weight) => sum + weight, 0)
      const counts = new Map<Backend | null, number>()
      for (let turn = 0; turn < total; turn += 1) {
        const pick = chooseRoundRobin(members)
        counts.set(pick, (counts.get(pick) ?? 0) + 1)
      }
      expect(members.map((member) => counts.get(member))).toEqual(weights)
    }),
    { numRuns: 50 },
  )
})

test('least connections goes by connections for weight, equals take turns', () => {
  const members = backends(1, 2)
  const picks = Array.from({ length: 6 }, () => {
    const pick = chooseLeastConnections(members)
    if (pick !== null) pick.connections += 1
    return pick
  })
  expect(members.map((member) => member.connections)).toEqual([2, 4])
  expect(names(picks.slice(0, 3))).toMatch(/^(?=.*a.*)(?:.*b){2}/)
  const [first, second] = members
  if (first !== undefined && second !== undefined) first.connections = 0
  expect(chooseLeastConnections(members)).toBe(first)
})

test('no candidates, no choice', () => {
  for (const choose of [chooseRoundRobin, chooseLeastConnections, chooseBySource]) {
    expect(choose([], '10.0.0.1')).toBeNull()
  }
})

const sources = Array.from(
  { length: 20_000 },
  (_, index) => `10.${index >> 12}.${(index >> 6) & 63}.${index & 63}`,
)

test('a source stays with its member whatever the order of members', () => {
  const members = backends(1, 1, 1, 1)
  const turned = [...members].reverse()
  for (const source of sources.slice(0, 500)) {
    expect(chooseBySource(turned, source)).toBe(chooseBySource(members, source))
  }
})

test('taking a member away moves its own sources only', () => {
  const members = backends(1, 1, 1, 1, 1)
  const gone = members[2]
  const rest = members.filter((member) => member !== gone)
  for (const source of sources) {
    const before = chooseBySource(members, source)
    if (before !== gone) expect(chooseBySource(rest, source)).toBe(before)
  }
})

test('sources spread in proportion to the weights', () => {
  const weights = [1, 2, 3, 4]
  const members = backends(...weights)
  const counts = new Map<Backend | null, number>()
  for (const source of sources) {
    const pick = chooseBySource(members, source)
    counts.set(pick, (counts.get(pick) ?? 0) + 1)
  }
  for (const [index, member] of members.entries()) {
    const expected = (sources.length * (weights[index] ?? 0)) / 10
    // Four standard deviations of a binomial share of 20,000 are below 300.
    expect(Math.abs((counts.get(member) ?? 0) - expected)).toBeLessThan(300)
  }
})
