import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { decodeRecord, encodeRecord, type LogRecord } from '../../domains/kernel/record.ts'
import { readRecord } from './projected_record.ts'

const text = fc.string({ unit: 'grapheme', maxLength: 300 })
const data = fc.dictionary(text, fc.oneof(text, fc.integer(), fc.array(text, { maxLength: 3 })))
const time = fc.maxSafeNat()
const decision = fc.record({
  kind: fc.constant('decision' as const),
  time,
  command: text,
  request: data,
  commandId: text,
  actor: text,
  actorKind: fc.constantFrom('user' as const, 'service_account' as const, 'process' as const),
  cause: text,
  result: data,
  events: fc.array(fc.record({ type: text, version: fc.nat(300), data }), { maxLength: 5 }),
})
const history = fc.record({
  kind: fc.constant('history' as const),
  time,
  history: text,
  parent: text,
  parentRevision: fc.maxSafeNat(),
})

/** As `decodeRecord` gives it, without what is left out. */
function expected(payload: Uint8Array): object {
  const record = decodeRecord(payload)
  if (record.kind === 'history') return record
  const { request: _, result: __, ...rest } = record
  return rest
}

describe('a record for projections', () => {
  it('is what the whole record is, but for the request and the result', () => {
    fc.assert(
      fc.property(fc.oneof(decision, history), (record: LogRecord) => {
        const payload = encodeRecord(record)
        expect(readRecord(Buffer.from(payload))).toEqual(expected(payload))
      }),
      { numRuns: 300 },
    )
  })

  it('that is cut short is refused, wherever that is', () => {
    fc.assert(
      fc.property(decision, fc.nat(), (record, at) => {
        const payload = Buffer.from(encodeRecord(record))
        expect(() => readRecord(payload.subarray(0, at % payload.length))).toThrow(Error)
      }),
      { numRuns: 300 },
    )
  })

  it('may have fields of a later build', () => {
    const payload = encodeRecord({ kind: 'history', time: 1, history: 'h', parent: '', parentRevision: 0 })
    const later = Buffer.concat([payload, Buffer.from([0x78, 0x05, 0x82, 0x01, 0x02, 0x61, 0x62])])
    expect(readRecord(later)).toEqual(readRecord(Buffer.from(payload)))
  })
})
