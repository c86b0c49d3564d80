import { readFileSync } from 'node:fs'
import fc from 'fast-check'
import protobuf from 'protobufjs'
import { expect, it } from 'vitest'
import { type DecisionRecord, decodeRecord, encodeRecord, type HistoryRecord } from './record.ts'

const proto = readFileSync(new URL('./record.proto', import.meta.url), 'utf8')
const RecordType = protobuf.parse(proto, { keepCase: true }).root.lookupType('ultracloud.log.v1.Record')

const time = fc.maxSafeNat()
const json = fc.dictionary(
  fc.string({ unit: 'binary' }),
  fc.oneof(fc.string({ unit: 'binary' }), fc.integer()),
  {
    noNullPrototype: true,
  },
)
const text = fc.string({ unit: 'grapheme' })
const decision: fc.Arbitrary<DecisionRecord> = fc.record({
  kind: fc.constant('decision' as const),
  time,
  command: text,
  request: json,
  commandId: text,
  actor: text,
  actorKind: fc.constantFrom('user', 'service_account', 'process'),
  cause: fc.oneof(text, fc.string({ minLength: 100, maxLength: 40_000 })),
  result: json,
  events: fc.array(fc.record({ type: text, version: fc.integer({ min: 0, max: 2 ** 31 - 1 }), data: json })),
})
const history: fc.Arbitrary<HistoryRecord> = fc.record({
  kind: fc.constant('history' as const),
  time,
  history: text,
  parent: text,
  parentRevision: fc.maxSafeNat(),
})

/** The same with a library that knows the schema. */
function withLibrary(record: DecisionRecord | HistoryRecord): Uint8Array {
  const bytes = (value: unknown): Buffer => Buffer.from(JSON.stringify(value))
  if (record.kind === 'history') {
    const { history: name, parent, parentRevision } = record
    return RecordType.encode({
      time: record.time,
      history: { history: name, parent, parent_revision: parentRevision },
    }).finish()
  }
  return RecordType.encode({
    time: record.time,
    decision: {
      command: record.command,
      request: bytes(record.request),
      command_id: record.commandId,
      actor: record.actor,
      actor_kind: record.actorKind,
      cause: record.cause,
      result: bytes(record.result),
      events: record.events.map(({ type, version, data }) => ({ type, version, data: bytes(data) })),
    },
  }).finish()
}

it('writes the bytes that any protobuf library writes, and reads them back', () => {
  fc.assert(
    fc.property(fc.oneof(decision, history), (record) => {
      const bytes = encodeRecord(record)
      expect(Buffer.from(bytes).equals(withLibrary(record))).toBe(true)
      expect(decodeRecord(bytes)).toEqual(JSON.parse(JSON.stringify(record)))
      expect(decodeRecord(new Uint8Array(bytes))).toEqual(decodeRecord(bytes))
    }),
  )
})

it('reads fields in any order, and leaves out those of a later build', () => {
  const reordered = Buffer.from([
    0x18, 0x07, 0x12, 0x01, 0x70, 0x0a, 0x01, 0x68, 0x4a, 0x01, 0x78, 0x50, 0x05,
  ])
  const payload = Buffer.concat([Buffer.from([0x08, 0x05, 0x1a, reordered.length]), reordered])
  expect(decodeRecord(payload)).toEqual({
    kind: 'history',
    time: 5,
    history: 'h',
    parent: 'p',
    parentRevision: 7,
  })
})

it('refuses what is no record', () => {
  const whole = Buffer.from(
    encodeRecord({ kind: 'history', time: 1, history: 'name', parent: 'other', parentRevision: 300 }),
  )
  for (let length = 0; length < whole.length; length++)
    expect(() => decodeRecord(whole.subarray(0, length))).toThrow()
  const notText = Buffer.from(whole)
  notText[notText.indexOf('name')] = 0xff
  expect(() => decodeRecord(notText)).toThrow()
  fc.assert(
    fc.property(fc.uint8Array(), (bytes) => {
      try {
        expect(decodeRecord(bytes)).toHaveProperty('kind')
      } catch (error) {
        expect(error).toBeInstanceOf(Error)
      }
    }),
  )
})
