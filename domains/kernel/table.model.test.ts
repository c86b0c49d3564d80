import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { MemoryTable } from './memory_table.ts'
import { Journal, UniqueViolation, undo } from './table.ts'

interface Row {
  readonly group: string | null
  readonly seat: string | null
  readonly amount: number
}

type Action =
  | { readonly kind: 'put'; readonly key: string; readonly row: Row }
  | { readonly kind: 'delete'; readonly key: string }
  | { readonly kind: 'savepoint' }
  | { readonly kind: 'rollback' }
  | { readonly kind: 'commit' }
  | { readonly kind: 'undo' }

const key = fc.constantFrom('a', 'b', 'c', 'd', 'e', 'f')
const row = fc.record({
  group: fc.constantFrom('x', 'y', null),
  seat: fc.constantFrom('1', '2', '3', null),
  amount: fc.integer({ min: -5, max: 5 }),
})
const action: fc.Arbitrary<Action> = fc.oneof(
  { weight: 6, arbitrary: fc.record({ kind: fc.constant('put' as const), key, row }) },
  { weight: 3, arbitrary: fc.record({ kind: fc.constant('delete' as const), key }) },
  { weight: 1, arbitrary: fc.constant({ kind: 'savepoint' as const }) },
  { weight: 1, arbitrary: fc.constant({ kind: 'rollback' as const }) },
  { weight: 1, arbitrary: fc.constant({ kind: 'commit' as const }) },
  { weight: 1, arbitrary: fc.constant({ kind: 'undo' as const }) },
)

function made(journal: Journal) {
  return new MemoryTable<Row, 'seat', 'group', 'amount'>(
    'seats',
    {
      unique: { seat: ({ seat }) => seat ?? undefined },
      index: { group: ({ group }) => group ?? undefined },
      sum: { amount: { key: ({ group }) => group ?? undefined, amount: ({ amount }) => amount } },
    },
    journal,
  )
}

/** Everything the table can be asked must follow from its rows. */
function check(table: ReturnType<typeof made>, model: ReadonlyMap<string, Row>): void {
  const rows = [...model].sort(([a], [b]) => (a < b ? -1 : 1))
  expect([...table.values()]).toEqual(rows.map(([, each]) => each))
  expect([...table.keys('b', 'd')]).toEqual(rows.map(([at]) => at).filter((at) => at >= 'b' && at < 'd'))
  expect([...table.values('c')]).toEqual(rows.filter(([at]) => at > 'c').map(([, each]) => each))
  expect(table.size).toBe(model.size)
  for (const seat of ['1', '2', '3'])
    expect(table.find('seat', seat)).toEqual(rows.find(([, each]) => each.seat === seat)?.[1])
  for (const group of ['x', 'y']) {
    const members = rows.filter(([, each]) => each.group === group).map(([, each]) => each)
    expect(table.list('group', group)).toEqual(members)
    const late = rows.filter(([at, each]) => at >= 'b' && each.group === group)
    expect([...table.listKeys('group', group, 'b')]).toEqual(late.map(([at]) => at))
    expect(table.count('group', group)).toBe(members.length)
    expect(table.sum('amount', group)).toBe(members.reduce((total, { amount }) => total + amount, 0))
  }
}

describe('a table', () => {
  it('agrees with a plain map under any writes, rollbacks and undos', () => {
    fc.assert(
      fc.property(fc.array(action, { maxLength: 60 }), (actions) => {
        const journal = new Journal()
        const table = made(journal)
        let model = new Map<string, Row>()
        let saved = { at: 0, model: new Map<string, Row>() }
        const committed: { writes: ReturnType<Journal['take']>; before: Map<string, Row> }[] = []
        let uncommitted = new Map<string, Row>()
        for (const each of actions) {
          if (each.kind === 'put') {
            const taken = [...model].some(
              ([at, { seat }]) => at !== each.key && seat !== null && seat === each.row.seat,
            )
            if (taken) expect(() => table.put(each.key, { ...each.row })).toThrow(UniqueViolation)
            else {
              table.put(each.key, { ...each.row })
              model.set(each.key, each.row)
            }
          } else if (each.kind === 'delete') {
            if (model.delete(each.key)) table.delete(each.key)
            else expect(() => table.delete(each.key)).toThrow(RangeError)
          } else if (each.kind === 'savepoint') saved = { at: journal.savepoint(), model: new Map(model) }
          else if (each.kind === 'rollback') {
            journal.rollback(saved.at)
            model = new Map(saved.model)
          } else if (each.kind === 'commit') {
            committed.push({ writes: journal.take(), before: uncommitted })
            uncommitted = new Map(model)
            saved = { at: 0, model: new Map(model) }
          } else {
            journal.rollback(0)
            const last = committed.pop()
            model = new Map(last?.before ?? uncommitted)
            if (last !== undefined) undo(last.writes)
            uncommitted = new Map(model)
            saved = { at: 0, model: new Map(model) }
          }
          check(table, model)
        }
      }),
      { numRuns: 300 },
    )
  })

  it('freezes what it holds, all the way down', () => {
    const table = new MemoryTable<{ readonly list: number[] }>('frozen', {}, new Journal())
    table.put('a', { list: [1] })
    expect(() => table.get('a')?.list.push(2)).toThrow(TypeError)
  })
})
