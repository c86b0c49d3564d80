import { describe, expect, it } from 'vitest'
import { CliError } from './exit_codes.ts'
import { age, elapsed, parseDuration, timestamp } from './times.ts'

const second = 1000
const minute = 60 * second
const hour = 60 * minute
const day = 24 * hour

describe('times', () => {
  it.each([
    [0, '0s'],
    [-5, '0s'],
    [119 * second, '119s'],
    [3 * minute + 20 * second, '3m20s'],
    [5 * minute, '5m'],
    [90 * minute, '90m'],
    [3 * hour + 5 * minute, '3h5m'],
    [30 * hour, '30h'],
    [4 * day + hour, '4d'],
  ])('%i ms ago is %s', (milliseconds, text) => {
    expect(age(milliseconds)).toBe(text)
  })

  it.each([
    ['500ms', 500],
    ['30', 30_000],
    ['1.5s', 1500],
    ['2m', 120_000],
  ])('%s is a duration', (text, milliseconds) => {
    expect(parseDuration(text, '--timeout')).toBe(milliseconds)
  })

  it.each(['', 's', '0', '-1s', '11m', '1y', '1s2'])('%j is none', (text) => {
    expect(() => parseDuration(text, '--timeout')).toThrow(CliError)
  })

  it('says how long something took, and when something was', () => {
    expect([elapsed(440), elapsed(12_400), elapsed(125_000)]).toEqual(['0.4 s', '12 s', '2 min 5 s'])
    expect([timestamp(0), timestamp(Date.UTC(2030, 0, 31, 12, 1, 2))]).toEqual(['-', '2030-01-31 12:01:02Z'])
  })
})
