import { describe, expect, it } from 'vitest'
import { type KvOperation, txn } from '../checker/operations.ts'
import { explain } from './explain.ts'
import { breachesOf } from './guarantees.ts'
import type { WatchEvent, WatchItem, WatchRecord, WatchSpec } from './record.ts'
import { replay } from './replay.ts'
import { mergeRecords } from './store_log.ts'

const put = (key: string, mod: number, version = 1, create = mod): WatchEvent => ({
  type: 'put',
  kv: { key, value: `v${mod}${key}`, version, create, mod, lease: '0' },
  previous: undefined,
})
const gone = (key: string, mod: number): WatchEvent => ({
  type: 'delete',
  kv: { key, value: '', version: 0, create: 0, mod, lease: '0' },
  previous: undefined,
})
const told = (events: readonly WatchEvent[], fragment = false): WatchItem => {
  const revision = events.at(-1)?.kv.mod ?? 0
  return { kind: 'events', at: revision, revision, events, fragment }
}
const created = (from: number): WatchItem => ({ kind: 'created', at: 0, from, member: 'a' })
const progress = (revision: number): WatchItem => ({ kind: 'progress', at: 0, revision })

const a2 = put('k/a', 2)
const b3 = put('k/b', 3)
const a4 = put('k/a', 4, 2, 2)
const b4 = gone('k/b', 4)
const c5 = put('x/c', 5)
const whole = record([created(2), told([a2]), told([b3]), told([a4, b4]), told([c5])])

function record(items: readonly WatchItem[], spec: Partial<WatchSpec> = {}): WatchRecord {
  return { spec: { name: 'w', prefix: '', without: [], previous: false, ...spec }, items }
}

describe('the guarantees of a watch', () => {
  const log = mergeRecords([whole])

  it.each<[string, readonly WatchItem[], Partial<WatchSpec>]>([
    ['all of it', whole.items, {}],
    ['several revisions in one response', [created(2), told([a2, b3, a4, b4]), told([c5])], {}],
    [
      'a revision in fragments',
      [created(2), told([a2]), told([b3]), told([a4], true), told([b4]), told([c5])],
      {},
    ],
    [
      'a resumption',
      [created(2), told([a2]), created(3), told([b3]), progress(3), created(4), told([a4, b4])],
      {},
    ],
    [
      'a connection lost within fragments',
      [created(2), told([a2, b3]), told([a4], true), created(4), told([a4, b4])],
      {},
    ],
    ['a prefix', [created(2), told([c5])], { prefix: 'x/' }],
    ['a filter', [created(2), told([a2, b3]), told([a4]), told([c5])], { without: ['delete'] }],
    ['less than all, as far as it has come', [created(2), told([a2])], {}],
  ])('hold with %s', (_, items, spec) => {
    expect(breachesOf(record(items, spec), log)).toEqual([])
  })

  it.each<[string, string, readonly WatchItem[], Partial<WatchSpec>]>([
    ['ordered', 'revisions out of order in a response', [created(2), told([b3, a2])], {}],
    ['ordered', 'a later response with an earlier revision', [created(2), told([b3]), told([a2])], {}],
    ['unique', 'an event twice', [created(2), told([a2]), told([a2])], {}],
    ['unique', 'an event again after a resumption', [created(2), told([a2]), created(3), told([a2])], {}],
    ['reliable', 'an event left out', [created(2), told([a2]), told([a4, b4])], {}],
    ['reliable', 'an event left out before progress', [created(2), told([a2]), progress(3)], {}],
    [
      'reliable',
      'an event left out by a resumption',
      [created(2), told([a2]), created(3), told([a4, b4])],
      {},
    ],
    ['atomic', 'a part of a revision', [created(2), told([a2, b3]), told([a4]), told([c5])], {}],
    ['atomic', 'a revision over two responses', [created(2), told([a2, b3]), told([a4]), told([b4])], {}],
    ['resumable', 'more than was asked for', [created(3), told([a2])], {}],
    [
      'bookmarkable',
      'an event after progress beyond it',
      [created(2), told([a2]), progress(3), told([b3])],
      {},
    ],
    [
      'bookmarkable',
      'progress behind what was asked for',
      [created(2), told([a2, b3]), created(4), progress(2)],
      {},
    ],
    ['filtered', 'a change without what was before', whole.items, { previous: true }],
    ['filtered', 'a key outside', [created(2), told([c5])], { prefix: 'k/' }],
    [
      'filtered',
      'a type that was not wanted',
      [created(2), told([a2, b3]), told([b4])],
      { without: ['delete'] },
    ],
  ])('%s: %s is found', (guarantee, _, items, spec) => {
    expect(breachesOf(record(items, spec), log).map((breach) => breach.guarantee)).toContain(guarantee)
  })

  it('watchers that were told different things are found', () => {
    const other = { ...b3, kv: { ...b3.kv, value: 'other' } }
    expect(mergeRecords([whole, record([created(2), told([a2]), told([other])])]).problems).toHaveLength(1)
  })
})

describe('a replay', () => {
  const log = mergeRecords([whole])
  const kvOf = ({ kv }: WatchEvent) => kv

  it('agrees with reads of each revision', () => {
    const part = { key: 'k/', end: 'k0' }
    const reads = [
      { what: '', revision: 1, part, found: [] },
      { what: '', revision: 3, part, found: [a2, b3].map(kvOf) },
      { what: '', revision: 5, part, found: [kvOf(a4)] },
    ]
    expect(replay(log, reads, 5)).toEqual([])
    expect(replay(log, [{ what: 'a read', revision: 3, part, found: [kvOf(a2)] }], 5)).toHaveLength(1)
    expect(replay(log, [{ what: 'a read', revision: 4, part, found: [a2, b3].map(kvOf) }], 5)).toHaveLength(1)
  })

  it.each<[string, readonly WatchEvent[]]>([
    ['a version that skips one', [a2, put('k/a', 3, 3, 2)]],
    ['a creation that is another', [a2, put('k/a', 3, 2, 3)]],
    ['a deletion of nothing', [gone('k/a', 2)]],
    ['a previous value that was not', [a2, { ...put('k/a', 3, 2, 2), previous: b3.kv }]],
  ])('finds %s', (_, events) => {
    expect(replay(mergeRecords([record([created(2), told(events)])]), [], 9)).toHaveLength(1)
  })
})

describe('the history explains the events', () => {
  const log = mergeRecords([whole])
  let id = 0
  const did = (input: KvOperation['input'], output?: KvOperation['output']): KvOperation => ({
    id: id++,
    client: 0,
    call: 0,
    end: output === undefined ? Number.POSITIVE_INFINITY : 1,
    input,
    output,
  })
  const putting = ({ kv: { key, value } }: WatchEvent) =>
    ({ kind: 'put', key, value, lease: '0', previous: false }) as const
  const done = (revision: number) =>
    ({ kind: 'txn', revision, succeeded: true, answers: [{ kind: 'put', previous: undefined }] }) as const
  const second = did(txn([putting(a4), { kind: 'delete', key: 'k/b', previous: false }]))
  const all = [
    did(txn([putting(a2)]), done(2)),
    did(txn([putting(b3)])),
    second,
    did(txn([putting(c5)]), done(5)),
  ]

  it('when each has its operation', () => {
    expect(explain(log, all, 5)).toEqual([])
  })

  it.each<[string, readonly KvOperation[]]>([
    ['an event that nobody made', all.slice(1)],
    ['an acknowledged write that no watcher saw', [...all, did(txn([putting(put('k/z', 4))]), done(4))]],
    ['one acknowledged at another revision', [...all.slice(0, 3), did(txn([putting(c5)]), done(4))]],
  ])('finds %s', (_, operations) => {
    expect(explain(log, operations, 5).length).toBeGreaterThan(0)
  })

  it('an operation explains one revision, and gives way to another that can', () => {
    const deletes = mergeRecords([
      record([created(2), told([a2]), told([gone('k/a', 3)]), told([put('k/a', 4)]), told([gone('k/a', 5)])]),
    ])
    const puts = [did(txn([putting(a2)]), done(2)), did(txn([putting(put('k/a', 4))]), done(4))]
    const early = did(txn([{ kind: 'delete', key: 'k/a', previous: false }]))
    const late = { ...did(txn([{ kind: 'delete', key: 'k/a', previous: false }])), call: 5 }
    expect(explain(deletes, [...puts, early, late], 5)).toEqual([])
    expect(explain(deletes, [...puts, early], 5)).toHaveLength(1)
  })
})
