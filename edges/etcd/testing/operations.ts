import fc from 'fast-check'

/** A call, with revisions relative to the present one where `relative` names their fields. */
export interface Call {
  readonly method: string
  readonly request: string
  readonly response: string
  readonly fields: Record<string, unknown>
}

const keys = ['a', 'ab', 'abc', 'b', 'b\0', 'c', 'd\xff', '\xff\xff', '\0'].map((key) =>
  Buffer.from(key, 'latin1'),
)
export const leases = ['101', '102', '7000000000000000001', '-5']
const none = Buffer.alloc(0)

const key = fc.oneof(
  { weight: 20, arbitrary: fc.constantFrom(...keys) },
  { weight: 1, arbitrary: fc.constant(none) },
)
const rangeEnd = fc.oneof(
  { weight: 4, arbitrary: fc.constant(none) },
  { weight: 1, arbitrary: fc.constant(Buffer.from('\0', 'latin1')) },
  { weight: 3, arbitrary: fc.constantFrom(...keys) },
)
const value = fc.constantFrom(
  none,
  ...['x', 'y', 'longer', '\0\xff\x80'].map((text) => Buffer.from(text, 'latin1')),
)
const lease = fc.oneof(
  { weight: 6, arbitrary: fc.constant('0') },
  { weight: 4, arbitrary: fc.constantFrom(...leases) },
)
const rarely = fc.integer({ min: 0, max: 5 }).map((n) => n === 0)

/** Revisions are written as offsets from the present one; undefined for none. */
const offset = fc.option(fc.integer({ min: -12, max: 2 }), { nil: undefined, freq: 2 })
const bound = fc.option(fc.integer({ min: -8, max: 0 }), { nil: undefined, freq: 6 })

export interface Relative {
  readonly offset: number | undefined
}
const at = (arbitrary: fc.Arbitrary<number | undefined>): fc.Arbitrary<Relative> =>
  arbitrary.map((of) => ({ offset: of }))

const range = fc.record({
  key,
  rangeEnd,
  limit: fc.constantFrom(0, 0, 0, 1, 2, 3, -1),
  revision: at(offset),
  sortOrder: fc.constantFrom(0, 0, 1, 2),
  sortTarget: fc.constantFrom(0, 0, 1, 2, 3, 4),
  serializable: fc.boolean(),
  keysOnly: rarely,
  countOnly: rarely,
  minModRevision: at(bound),
  maxModRevision: at(bound),
  minCreateRevision: at(bound),
  maxCreateRevision: at(bound),
})

const put = fc.record({ key, value, lease, prevKv: fc.boolean(), ignoreValue: rarely, ignoreLease: rarely })
/** What it ignores is left out, so that it is not refused for that alone. */
const sensiblePut = put.map(({ value, lease, ...rest }) => ({
  ...rest,
  value: rest.ignoreValue ? none : value,
  lease: rest.ignoreLease ? '0' : lease,
}))
const anyPut = fc.oneof({ weight: 8, arbitrary: sensiblePut }, { weight: 1, arbitrary: put })
const deletion = fc.record({ key, rangeEnd, prevKv: fc.boolean() })
/** Never without an end: etcd does not see that it meets a put that keeps the value, and then dies of it. */
const deletionInTxn = fc.record({
  key,
  rangeEnd: fc.constantFrom(none, none, ...keys.slice(0, -1)),
  prevKv: fc.boolean(),
})

const target = fc.oneof(
  fc.record({ target: fc.constant(0), version: fc.integer({ min: 0, max: 3 }) }),
  fc.record({ target: fc.constant(1), createRevision: at(bound) }),
  fc.record({ target: fc.constant(2), modRevision: at(bound) }),
  fc.record({ target: fc.constant(3), value }),
  fc.record({ target: fc.constant(4), lease }),
  fc.record({ target: fc.constantFrom(0, 1, 2, 3, 4) }),
)
const compare = fc
  .tuple(fc.record({ result: fc.constantFrom(0, 1, 2, 3), key, rangeEnd }), target)
  .map(([common, own]) => ({ ...common, ...own }))

const few = <T>(arbitrary: fc.Arbitrary<T>, maxLength: number) => fc.array(arbitrary, { maxLength })

const { txn } = fc.letrec((tie) => ({
  operation: fc.oneof(
    { maxDepth: 2 },
    { weight: 3, arbitrary: range.map((requestRange) => ({ requestRange })) },
    { weight: 4, arbitrary: anyPut.map((requestPut) => ({ requestPut })) },
    { weight: 2, arbitrary: deletionInTxn.map((requestDeleteRange) => ({ requestDeleteRange })) },
    { weight: 1, arbitrary: tie('txn').map((requestTxn) => ({ requestTxn })) },
  ),
  txn: fc.record({
    compare: few(compare, 2),
    success: few(tie('operation'), 3),
    failure: few(tie('operation'), 3),
  }),
}))

const call = (
  name: string,
  arbitrary: fc.Arbitrary<object>,
  message = name.split('/')[1],
): fc.Arbitrary<Call> =>
  arbitrary.map((fields) => ({
    method: name,
    request: `${message}Request`,
    response: `${message}Response`,
    fields: fields as Record<string, unknown>,
  }))

const leaseId = fc.constantFrom(...leases)

/** Calls of every kind that answer alike whenever they are made. */
export const anyCall: fc.Arbitrary<Call> = fc.oneof(
  { weight: 12, arbitrary: call('KV/Put', anyPut) },
  { weight: 10, arbitrary: call('KV/Range', range) },
  { weight: 4, arbitrary: call('KV/DeleteRange', deletion) },
  { weight: 10, arbitrary: call('KV/Txn', txn as fc.Arbitrary<object>) },
  {
    weight: 1,
    arbitrary: call('KV/Compact', fc.record({ revision: at(offset), physical: fc.boolean() }), 'Compaction'),
  },
  {
    weight: 4,
    arbitrary: call(
      'Lease/LeaseGrant',
      fc.record({ ID: leaseId, TTL: fc.constantFrom(-1, 0, 1, 600, 9_000_000_000, 9_000_000_001) }),
    ),
  },
  { weight: 2, arbitrary: call('Lease/LeaseRevoke', fc.record({ ID: fc.constantFrom('0', ...leases) })) },
  { weight: 2, arbitrary: call('Lease/LeaseTimeToLive', fc.record({ ID: leaseId, keys: fc.boolean() })) },
  { weight: 1, arbitrary: call('Lease/LeaseLeases', fc.constant({})) },
)

/** What a watch is created by. One with an id of its own begins in the present: when that of a compacted one is free again is a matter of timing. */
export const anyWatch = fc
  .record({
    key,
    rangeEnd: fc.constantFrom(none, ...['\0', '\0', 'd', '\xff'].map((end) => Buffer.from(end, 'latin1'))),
    startRevision: at(fc.option(fc.integer({ min: -20, max: 3 }), { nil: undefined, freq: 2 })),
    filters: fc.constantFrom([], [], [0], [1]),
    prevKv: fc.boolean(),
    watchId: fc.constantFrom(0, 0, 0, 7),
  })
  .map((watch) => ({ ...watch, watchId: watch.startRevision.offset === undefined ? watch.watchId : 0 }))

/** With every offset made a revision: 0 for none. */
export function absolute(fields: unknown, present: number): unknown {
  if (Array.isArray(fields)) return fields.map((each) => absolute(each, present))
  if (typeof fields !== 'object' || fields === null || Buffer.isBuffer(fields)) return fields
  if ('offset' in fields)
    return fields.offset === undefined ? 0 : Math.max(0, present + Number(fields.offset))
  return Object.fromEntries(Object.entries(fields).map(([name, value]) => [name, absolute(value, present)]))
}
