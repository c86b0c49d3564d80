import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { answer } from './answer.ts'
import { type Decoded, decode, queryOf } from './testing-client.ts'
import { changesOf, demoRows } from './testing-zones.ts'
import { type RecordRow, type RowChange, type ZoneRow, ZoneStore } from './zone-store.ts'

const zone: ZoneRow = {
  set: 'zone',
  name: 'z.test',
  serial: 7,
  primary: 'ns.z.test',
  mailbox: 'host.master@z.test',
  refresh: 1,
  retry: 2,
  expire: 3,
  minimum: 30,
  ttl: 60,
  nameservers: ['ns.z.test.'],
}

function record(name: string, type: RecordRow['type'], ...values: string[]): RecordRow {
  return { set: 'record', zone: 'z.test', name, type, ttl: 60, values }
}

function ask(store: ZoneStore, name: string, type: string): Decoded {
  const response = answer(queryOf(name, type), store, 'tcp')
  if (response === null) throw new Error('There is no response.')
  return decode(response)
}

function storeOf(...rows: (ZoneRow | RecordRow)[]): ZoneStore {
  const store = new ZoneStore()
  expect(store.apply(changesOf(rows))).toEqual([])
  return store
}

const refused = 5
const nameError = 3

describe('rows', () => {
  test('a zone is served from its row on, and its records before it wait', () => {
    const store = storeOf(record('a.z.test', 'A', '192.0.2.1'))
    expect(ask(store, 'a.z.test', 'A').code).toBe(refused)
    store.apply(changesOf([zone]))
    expect(ask(store, 'a.z.test', 'A').answer).toEqual(['a.z.test. 60 1 1 c0000201 '])
    store.apply([{ key: 'zone/z.test', row: null }])
    expect(ask(store, 'a.z.test', 'A').code).toBe(refused)
    expect(store.zones).toBe(0)
    expect(store.records).toBe(1)
  })

  test('the zone row stands for SOA and NS; a record row takes the place of its NS until it goes', () => {
    const store = storeOf(zone)
    expect(ask(store, 'z.test', 'SOA').answer).toEqual([
      'z.test. 60 1 6  ns.z.test. host\\046master.z.test. 000000070000000100000002000000030000001e',
    ])
    expect(ask(store, 'z.test', 'NS').answer).toEqual(['z.test. 60 1 2  ns.z.test. '])
    store.apply([{ key: 'own', row: record('z.test', 'NS', 'a.test', 'b.test') }])
    expect(ask(store, 'z.test', 'NS').answer).toEqual([
      'z.test. 60 1 2  a.test. ',
      'z.test. 60 1 2  b.test. ',
    ])
    store.apply(changesOf([{ ...zone, serial: 8, nameservers: ['c.test'] }]))
    expect(ask(store, 'z.test', 'NS').answer).toHaveLength(2)
    expect(ask(store, 'z.test', 'SOA').answer[0]).toContain(' 00000008')
    store.apply([{ key: 'own', row: null }])
    expect(ask(store, 'z.test', 'NS').answer).toEqual(['z.test. 60 1 2  c.test. '])
  })

  test('a row that changes its name leaves nothing behind', () => {
    const store = storeOf(zone)
    store.apply([{ key: 'k', row: record('a.b.z.test', 'A', '192.0.2.1') }])
    store.apply([{ key: 'k', row: record('c.z.test', 'A', '192.0.2.1') }])
    expect(ask(store, 'b.z.test', 'A').code).toBe(nameError)
    expect(ask(store, 'c.z.test', 'A').answer).toHaveLength(1)
  })

  test('values that mean the same are one record', () => {
    const store = storeOf(zone, record('a.z.test', 'AAAA', '2001:db8::1', '2001:DB8:0::1'))
    expect(ask(store, 'a.z.test', 'AAAA').answer).toHaveLength(1)
  })

  test('the root can be a zone', () => {
    const store = storeOf({ ...zone, name: '.' }, { ...record('a.test', 'A', '192.0.2.1'), zone: '.' })
    expect(ask(store, 'A.test', 'A').answer).toHaveLength(1)
    expect(ask(store, '.', 'SOA').answer).toHaveLength(1)
    expect(ask(store, 'b.test', 'A').code).toBe(nameError)
  })

  test.each<[string, ZoneRow | RecordRow, string]>([
    ['a name outside of its zone', record('a.test', 'A', '192.0.2.1'), 'DNS_ROW_INVALID'],
    ['a name that only ends like its zone', record('az.test', 'A', '192.0.2.1'), 'DNS_ROW_INVALID'],
    ['a value of another type', record('a.z.test', 'A', '::1'), 'DNS_VALUE_INVALID'],
    ['no value', record('a.z.test', 'A'), 'DNS_ROW_INVALID'],
    ['two aliases', record('a.z.test', 'CNAME', 'b.test', 'c.test'), 'DNS_ROW_INVALID'],
    ['an SOA below the apex', record('a.z.test', 'SOA', 'a. b. 1 2 3 4 5'), 'DNS_ROW_INVALID'],
    ['a name that is none', record('a..z.test', 'A', '192.0.2.1'), 'DNS_NAME_INVALID'],
    ['a TTL that is none', { ...record('a.z.test', 'A', '192.0.2.1'), ttl: 2 ** 31 }, 'DNS_ROW_INVALID'],
    ['a set that no message can hold', record('a.z.test', 'TXT', ...texts(20)), 'DNS_ROW_INVALID'],
    ['a mailbox that is none', { ...zone, name: 'y.test', mailbox: 'a b' }, 'DNS_NAME_INVALID'],
    ['a serial that is none', { ...zone, name: 'y.test', serial: -1 }, 'DNS_VALUE_INVALID'],
    ['a second row of a zone', zone, 'DNS_ROW_INVALID'],
    ['a second row of a set', record('set.z.test', 'A', '192.0.2.2'), 'DNS_ROW_INVALID'],
  ])('%s is left out, and the rest is served', (_title, row, code) => {
    const store = storeOf(zone, record('set.z.test', 'A', '192.0.2.1'))
    const after: RowChange = { key: 'after', row: record('after.z.test', 'A', '192.0.2.3') }
    expect(store.apply([{ key: 'bad', row }, after])).toEqual([
      { key: 'bad', code, message: expect.any(String) },
    ])
    expect(ask(store, 'after.z.test', 'A').answer).toHaveLength(1)
    expect(ask(store, 'set.z.test', 'A').answer).toEqual(['set.z.test. 60 1 1 c0000201 '])
    store.apply([{ key: 'bad', row: null }])
    expect(ask(store, 'z.test', 'SOA').code).toBe(0)
  })

  test('a set that is nearly too long still fits one answer over TCP', () => {
    const store = storeOf(zone, record('a.z.test', 'TXT', ...texts(11)))
    expect(ask(store, 'a.z.test', 'TXT').answer).toHaveLength(11)
  })
})

function texts(count: number): string[] {
  return Array.from({ length: count }, (_, index) => `${index} ${'x'.repeat(3_900)}`)
}

describe('changes', () => {
  const labels = ['a', 'b', '*', 'a.b', 'c.a.b', '*.b', 'x.*.b']
  const names = ['z.test', ...labels.map((label) => `${label}.z.test`)]
  const row = fc.oneof(
    fc.constant(null),
    fc.record({
      name: fc.constantFrom(...names),
      type: fc.constantFrom('A' as const, 'NS' as const, 'CNAME' as const),
      value: fc.constantFrom('1', '2'),
    }),
  )
  const change = fc.record({
    isZone: fc.nat({ max: 6 }).map((number) => number === 0),
    row,
    name: fc.constantFrom(...names),
    type: fc.constantFrom('A' as const, 'NS' as const, 'CNAME' as const),
  })

  test('in any order end where the last rows alone would', () => {
    fc.assert(
      fc.property(fc.array(change, { maxLength: 60 }), (steps) => {
        const store = new ZoneStore()
        const rows = new Map<string, RowChange>()
        for (const step of steps) {
          const next = changeOf(step)
          expect(store.apply([next])).toEqual([])
          if (next.row === null) rows.delete(next.key)
          else rows.set(next.key, next)
        }
        const fresh = new ZoneStore()
        fresh.replaceAll(rows.values())
        expect([store.zones, store.records]).toEqual([fresh.zones, fresh.records])
        for (const name of [...names, 'q.z.test', 'q.b.z.test', 'q.a.z.test', 'q.x.*.b.z.test']) {
          for (const type of ['A', 'NS', 'CNAME', 'SOA', 'ANY']) {
            expect(ask(store, name, type), `${name} ${type}`).toEqual(ask(fresh, name, type))
          }
        }
      }),
      { numRuns: 300 },
    )
  })

  function changeOf(step: typeof change extends fc.Arbitrary<infer Step> ? Step : never): RowChange {
    if (step.isZone) {
      const serial = step.row?.value === '1' ? 1 : 2
      return { key: 'zone', row: step.row === null ? null : { ...zone, serial } }
    }
    const key = `${step.name} ${step.type}`
    if (step.row === null) return { key, row: null }
    const value = step.type === 'A' ? `192.0.2.${step.row.value}` : step.row.name
    return { key, row: record(step.name, step.type, value) }
  }

  test('replacing all the rows leaves none of the old ones', () => {
    const store = storeOf(...demoRows)
    expect(store.replaceAll(changesOf([zone]))).toEqual([])
    expect(ask(store, 'web.demo.test', 'A').code).toBe(refused)
    expect(ask(store, 'z.test', 'SOA').answer).toHaveLength(1)
    expect([store.zones, store.records]).toEqual([1, 0])
  })
})
