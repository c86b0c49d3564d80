import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { DecisionRecord } from '../../domains/kernel/record.ts'
import type { AnyRow } from '../../domains/kernel/registry.ts'
import libraryDomain, { library } from '../../domains/kernel/sample/index.ts'
import { Scenario } from '../../domains/kernel/testing.ts'
import { feedBatch } from './changes.ts'
import { diff, why } from './past.ts'
import { type ReadQuery, read } from './reads.ts'
import { shelfPages } from './sample/shelf_pages.ts'
import { scrub } from './scrub.ts'
import { ProjectionStore } from './store.ts'

const KINDS = ['library.shelf', 'library.book'] as const
type Kind = (typeof KINDS)[number]
type Rows = ReadonlyMap<string, AnyRow>

interface Ask {
  readonly command: 'CreateShelf' | 'ResizeShelf' | 'DeleteShelf' | 'AddBook' | 'AddPair' | 'LendBook'
  readonly name: string
  readonly on: string
  readonly label: string
}

/** Names and values that mean something to SQL, to JSON or to paths in it. */
const labelValue = fc.constantFrom('plain', "it's", '"', '%', '$.a', "' OR '1'='1", '{}', 'true', '\u{1f4d6}')
const ask: fc.Arbitrary<Ask> = fc.record({
  command: fc.constantFrom(
    'CreateShelf',
    'CreateShelf',
    'ResizeShelf',
    'DeleteShelf',
    'AddBook',
    'AddBook',
    'AddPair',
    'LendBook',
  ),
  name: fc.constantFrom('a', 'b', 'c'),
  on: fc.constantFrom('a', 'b', 'c'),
  label: labelValue,
})

function requestOf({ command, name, on, label }: Ask): object {
  switch (command) {
    case 'CreateShelf':
      return { name, labels: { 'key\'".$': label }, capacity: 4 }
    case 'ResizeShelf':
      return { name, capacity: 3 + label.length }
    case 'AddBook':
      return { name: `book-${name}`, shelf: on, pages: label.length }
    case 'AddPair':
      return { first: `first-${name}`, second: `second-${name}`, shelf: on }
    case 'DeleteShelf':
      return { name }
    case 'LendBook':
      return { name: `book-${name}` }
  }
}

/** What was true after each revision: position r holds the rows as of revision r. */
interface Model {
  readonly records: readonly DecisionRecord[]
  readonly states: readonly Readonly<Record<Kind, Rows>>[]
}

function modelOf(asks: readonly Ask[]): Model {
  const scenario = new Scenario([libraryDomain])
  const rowsOf = (kind: 'shelf' | 'book'): Rows =>
    new Map([...scenario.state.resource(library, kind).values()].map((row) => [row.uid, row]))
  const now = () => ({ 'library.shelf': rowsOf('shelf'), 'library.book': rowsOf('book') })
  const states = [now()]
  for (const each of asks) {
    const { length } = scenario.records
    scenario.now += each.name === 'a' ? 0 : 1000
    try {
      scenario.run(library, each.command, requestOf(each))
    } catch {
      continue
    }
    if (scenario.records.length > length) states.push(now())
  }
  return { records: scenario.records, states }
}

function storeOf({ records }: Model, batches: readonly number[]): ProjectionStore {
  const store = new ProjectionStore(':memory:', new Scenario([libraryDomain]).registry, [shelfPages])
  let next = 0
  for (let i = 0; next < records.length; i++) {
    const size = batches[i % batches.length] ?? 1
    store.apply(records.slice(next, next + size).map((record, j) => ({ revision: next + j + 1, record })))
    next += size
  }
  return store
}

const inOrder = (rows: Iterable<AnyRow>): readonly AnyRow[] =>
  [...rows].sort((a, b) => (a.name < b.name ? -1 : a.name > b.name ? 1 : a.uid < b.uid ? -1 : 1))

/** All pages of a read. */
function pages(store: ProjectionStore, query: Omit<ReadQuery, 'now'>): readonly unknown[] {
  const rows: unknown[] = []
  let pageToken = ''
  do {
    const answer = read(store, { ...query, pageSize: 2, pageToken, now: 0 })
    rows.push(...answer.rows)
    pageToken = answer.nextPageToken
  } while (pageToken !== '')
  return rows
}

const scripts = fc.record({
  asks: fc.array(ask, { minLength: 1, maxLength: 40, size: 'max' }),
  batches: fc.array(fc.integer({ min: 1, max: 7 }), { minLength: 1, maxLength: 4 }),
  moments: fc.array(fc.nat(), { minLength: 4, maxLength: 4 }),
})

describe('the rows of projections, after any commands', () => {
  it('are at any revision what the state was, in pages, by label and by field', () => {
    fc.assert(
      fc.property(scripts, labelValue, ({ asks, batches, moments }, label) => {
        const model = modelOf(asks)
        const store = storeOf(model, batches)
        for (const kind of KINDS) {
          expect(pages(store, { kind })).toEqual(inOrder(model.states.at(-1)?.[kind].values() ?? []))
          for (const moment of moments) {
            const at = moment % model.states.length
            const rows = inOrder(model.states[at]?.[kind].values() ?? [])
            expect(pages(store, { kind, at: String(at) })).toEqual(rows)
            const labelled = rows.filter(({ labels }) => labels['key\'".$'] === label)
            expect(pages(store, { kind, at: String(at), filter: { 'label.key\'".$': label } })).toEqual(
              labelled,
            )
          }
        }
        const { books, pages: five } = { books: 'library.book', pages: '5' }
        const wanted = inOrder(model.states.at(-1)?.['library.book'].values() ?? [])
        expect(pages(store, { kind: books, filter: { pages: five } })).toEqual(
          wanted.filter((row) => (row as unknown as { pages: number }).pages === 5),
        )
        store.close()
      }),
      { numRuns: 60 },
    )
  })

  it('are found by time: the last entry at that time or before it', () => {
    fc.assert(
      fc.property(scripts, ({ asks, batches, moments }) => {
        const model = modelOf(asks)
        if (model.records.length === 0) return
        const store = storeOf(model, batches)
        for (const moment of moments) {
          const { time } = model.records[moment % model.records.length] as DecisionRecord
          const expected = model.records.findLastIndex((record) => record.time <= time) + 1
          const at = new Date(time).toISOString()
          expect(read(store, { kind: 'library.shelf', at, now: 0 }).revision).toBe(expected)
        }
        store.close()
      }),
      { numRuns: 30 },
    )
  })

  it('differ between two moments, and say why, as their history does', () => {
    fc.assert(
      fc.property(scripts, ({ asks, batches, moments }) => {
        const model = modelOf(asks)
        const store = storeOf(model, batches)
        const [one = 0, two = 0] = moments.map((moment) => moment % model.states.length).sort((a, b) => a - b)
        const { differences } = diff(store, KINDS, String(one), String(two), 0)
        const expected = KINDS.flatMap((kind) => {
          const [before, after] = [model.states[one]?.[kind], model.states[two]?.[kind]] as [Rows, Rows]
          return [...new Set([...before.keys(), ...after.keys()])]
            .map((uid) => ({ kind, uid, before: before.get(uid) ?? null, after: after.get(uid) ?? null }))
            .filter((each) => JSON.stringify(each.before) !== JSON.stringify(each.after))
        })
        const byUid = (a: { readonly uid: string }, b: { readonly uid: string }): number =>
          a.uid < b.uid ? -1 : 1
        expect([...differences].sort(byUid)).toEqual([...expected].sort(byUid))
        for (const { uid, name } of model.states.at(-1)?.['library.shelf'].values() ?? []) {
          const revisions = model.records.flatMap(({ events }, i) =>
            events.some(({ data }) => data['uid'] === uid) ? [i + 1] : [],
          )
          expect(why(store, 'library.shelf', '', name).map(({ revision }) => revision)).toEqual(revisions)
        }
        store.close()
      }),
      { numRuns: 60 },
    )
  })

  it('have the same digests however they came in batches, and pass a scrub', () => {
    fc.assert(
      fc.property(scripts, ({ asks, batches }) => {
        const model = modelOf(asks)
        const store = storeOf(model, batches)
        const whole = storeOf(model, [1000])
        expect(store.digests).toEqual(whole.digests)
        const steps = scrub(store)
        let step = steps.next()
        while (step.done !== true) step = steps.next()
        expect(step.value).toEqual([])
        store.close()
        whole.close()
      }),
      { numRuns: 60 },
    )
  })

  it('are what a follower ends with that comes and goes at any time', () => {
    fc.assert(
      fc.property(
        scripts,
        fc.array(fc.boolean(), { minLength: 1, maxLength: 20 }),
        ({ asks, batches }, follows) => {
          const model = modelOf(asks)
          const store = storeOf({ ...model, records: [] }, batches)
          const sets = [...KINDS, 'shelf_pages']
          const followers = sets.map(() => ({
            rows: new Map<string, string>(),
            revision: 0,
            history: 'none',
          }))
          const follow = (): void => {
            for (const [i, projection] of sets.entries()) {
              const follower = followers[i] as (typeof followers)[0]
              const { revision: fromRevision, history } = follower
              const batch = feedBatch(store, { projection, slice: '', fromRevision, history })
              expect(batch.more).toBe(false)
              if (batch.reset) follower.rows.clear()
              for (const { key, data } of batch.changes) {
                if (data === null) follower.rows.delete(key)
                else follower.rows.set(key, data)
              }
              Object.assign(follower, { revision: batch.revision, history: batch.history })
            }
          }
          for (const [i, record] of model.records.entries()) {
            store.apply([{ revision: i + 1, record }])
            if (follows[i % follows.length] === true) follow()
          }
          follow()
          for (const [i, projection] of sets.entries()) {
            const rows = store.database.prepare(`SELECT key, data FROM "${projection}" ORDER BY key`).all()
            expect([...(followers[i]?.rows ?? [])].sort(([a], [b]) => (a < b ? -1 : 1))).toEqual(
              rows.map(({ key, data }) => [key, data]),
            )
          }
          store.close()
        },
      ),
      { numRuns: 60 },
    )
  })
})
