import { expect, test } from 'vitest'
import { parseName, parseValue, type RecordType } from '../../domains/dns/records.ts'
import { typeNumbers } from './protocol.ts'
import { parseQuery } from './query.ts'
import { ResponseWriter } from './response.ts'
import { decode, queryOf } from './testing-client.ts'
import type { RecordSet } from './zone.ts'

function set(type: RecordType, ...values: string[]): RecordSet {
  const data = values.map((value) => {
    const parsed = parseValue(type, value)
    if (!parsed.ok) throw new Error(parsed.message)
    return parsed.data
  })
  return { type: typeNumbers[type], ttl: 1, data, isCompressed: type !== 'SRV', targets: [] }
}

function wire(name: string): string {
  const parsed = parseName(name)
  if (!parsed.ok) throw new Error(parsed.message)
  return parsed.name.wire
}

function begin(limit: number): ResponseWriter {
  const packet = queryOf('a.test', 'MX')
  const query = parseQuery(packet)
  if (query === null) throw new Error('The query is not one.')
  const writer = new ResponseWriter()
  writer.begin(packet, query, limit)
  return writer
}

test('a set that does not fit leaves nothing behind, no name to point to either', () => {
  const writer = begin(100)
  expect(
    writer.put('answer', wire('a.test'), set('MX', '1 x.first.test', `2 ${'y'.repeat(60)}.test`), 1),
  ).toBe(false)
  expect(writer.put('answer', wire('a.test'), set('MX', '3 z.first.test'), 1)).toBe(true)
  const response = writer.finish(0)
  expect(response.length).toBeLessThanOrEqual(100)
  expect(decode(response).answer).toEqual(['a.test. 1 1 15 0003 z.first.test. '])
})

test('a set that fits to the octet is put, and not with an octet less', () => {
  const values = set('MX', '1 x.test')
  const writer = begin(512)
  expect(writer.put('answer', wire('a.test'), values, 1)).toBe(true)
  const { length } = writer.finish(0)
  expect(begin(length).put('answer', wire('a.test'), values, 1)).toBe(true)
  expect(begin(length - 1).put('answer', wire('a.test'), values, 1)).toBe(false)
})

test('names in SRV are whole, and others may point to them (RFC 2782, RFC 3597 section 4)', () => {
  const writer = begin(512)
  writer.put('answer', wire('a.test'), set('SRV', '1 2 3 b.test'), 1)
  const whole = Buffer.from(`${wire('b.test')}\0`, 'latin1')
  const before = writer.finish(0).length
  writer.put('additional', wire('b.test'), set('A', '192.0.2.1'), 1)
  const response = writer.finish(0)
  expect(response.includes(whole)).toBe(true)
  // A pointer, type, class, TTL, length and address.
  expect(response.length - before).toBe(2 + 10 + 4)
})

test('names behind the reach of pointers are written out', () => {
  const writer = begin(65_535)
  const texts = Array.from({ length: 5 }, (_, index) => `${index} ${'t'.repeat(3_900)}`)
  expect(writer.put('answer', wire('a.test'), set('TXT', ...texts), 1)).toBe(true)
  for (const owner of ['far.away', 'far.away'])
    writer.put('additional', wire(owner), set('A', '192.0.2.1'), 1)
  expect(decode(writer.finish(0)).additional).toEqual(Array(2).fill('far.away. 1 1 1 c0000201 '))
})
