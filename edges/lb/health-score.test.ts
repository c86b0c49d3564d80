import { expect, test } from 'vitest'
import { HealthScore } from './health-score.ts'

function verdicts(score: HealthScore, checks: string): string {
  return Array.from(checks)
    .map((check) => {
      score.record(check === '+')
      return score.up ? 'U' : 'D'
    })
    .join('')
}

test.each([
  // HAProxy: up at the start, "but will fall down at first failure".
  { rise: 2, fall: 3, checks: '-', expected: 'D' },
  { rise: 2, fall: 3, checks: '+--', expected: 'UUU' },
  { rise: 2, fall: 3, checks: '+---', expected: 'UUUD' },
  { rise: 2, fall: 3, checks: '+--+--+---', expected: 'UUUUUUUUUD' },
  { rise: 2, fall: 3, checks: '-+-++', expected: 'DDDDU' },
  { rise: 2, fall: 3, checks: '-++--', expected: 'DDUUU' },
  { rise: 1, fall: 1, checks: '+-+-', expected: 'UDUD' },
])('rise $rise, fall $fall: $checks gives $expected', ({ rise, fall, checks, expected }) => {
  expect(verdicts(new HealthScore(rise, fall), checks)).toBe(expected)
})

test('record says so exactly when the member goes up or down', () => {
  const score = new HealthScore(1, 2)
  expect([false, false, true, true, false, false].map((passed) => score.record(passed))).toEqual([
    true,
    false,
    true,
    false,
    false,
    true,
  ])
})

test('other thresholds keep the verdict', () => {
  const score = new HealthScore(1, 1)
  score.record(false)
  const stricter = score.withThresholds(3, 2)
  expect(verdicts(stricter, '+++')).toBe('DDU')
  expect(verdicts(stricter.withThresholds(1, 3), '---')).toBe('UUD')
})
