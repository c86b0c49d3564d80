import { describe, expect, it } from 'vitest'
import dns from '../../domains/dns/contract.ts'
import type { ProjectedResources } from '../kernel/projection.ts'
import { zones } from './zones.ts'

const zone = { uid: 'z', name: 'demo.test', project: 'p', nameservers: [] }
const resources: ProjectedResources = {
  get: (contract, kind, uid) =>
    (contract as unknown) === dns && kind === 'zone' && uid === 'z' ? (zone as never) : undefined,
  referrers: () => [],
  all: () => [],
}
const NOW = 1_800_000_000

/** The serial after a change at `seconds` since 1970. */
function serial(before: number | undefined, seconds: number, sinceParent?: number): number {
  const context = {
    now: seconds * 1000,
    revision: 1,
    before: before === undefined ? undefined : { serial: before },
    sinceParent: sinceParent === undefined ? undefined : sinceParent * 1000,
  }
  const row = zones.row('zone/z', resources, context)
  if (row === undefined) throw new Error('the zone has no row')
  return (row.data as { serial: number }).serial
}

/** RFC 1982 section 3.2, for 32 bits. */
function isLater(later: number, earlier: number): boolean {
  const distance = (later - earlier + 2 ** 32) % 2 ** 32
  return distance > 0 && distance < 2 ** 31
}

describe('a zone’s serial', () => {
  it('is the time, or one more than before where that is larger', () => {
    expect(serial(undefined, NOW)).toBe(NOW)
    expect(serial(NOW, NOW)).toBe(NOW + 1)
    expect(serial(NOW + 500, NOW + 1)).toBe(NOW + 501)
    expect(serial(2 ** 32 - 1, NOW)).toBe(0)
    expect(isLater(serial(2 ** 32 - 1, NOW), 2 ** 32 - 1)).toBe(true)
    expect(isLater(serial(0, NOW), 0)).toBe(true)
  })

  it('is later after a restore than any in the history that was left behind', () => {
    for (const [changes, seconds] of [
      [60_000, 1],
      [2500, 10],
      [250 * 86_400, 86_400],
      [30 * 365 * 86_400, 365 * 86_400],
    ] as const) {
      const left = (NOW + changes) % 2 ** 32
      const restored = serial(NOW, NOW + seconds, seconds)
      expect(isLater(restored, left), `${changes} changes`).toBe(true)
      expect(isLater(restored, NOW)).toBe(true)
    }
  })

  it('is later after another restore of the same backup, too', () => {
    const first = serial(NOW, NOW + 100, 100)
    const changed = first + 100 * 200
    expect(isLater(serial(NOW, NOW + 200, 200), changed)).toBe(true)
  })
})
