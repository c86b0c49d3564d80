import fc from 'fast-check'
import { expect, it } from 'vitest'
import type { Entry } from '../../log/log.ts'
import { packEntries, unpackEntries } from './packed_entries.ts'

const entry = fc.record({
  kind: fc.constantFrom('data' as const, 'noop' as const),
  payload: fc.uint8Array({ maxLength: 300 }),
})

it('entries come out of one piece of memory as they went in', () => {
  fc.assert(
    fc.property(fc.array(entry, { minLength: 1, maxLength: 50 }), fc.nat(), (some, first) => {
      const entries = some.map((each, i): Entry => ({ ...each, index: first + i, term: 1 }))
      const packed = structuredClone(packEntries(entries))
      expect(unpackEntries(packed)).toEqual(
        entries.map(({ index, kind, payload }) => ({
          revision: index,
          payload: kind === 'noop' ? null : Buffer.from(payload),
        })),
      )
    }),
  )
})
