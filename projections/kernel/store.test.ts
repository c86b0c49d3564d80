import { spawn } from 'node:child_process'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { Registry } from '../../domains/kernel/registry.ts'
import libraryDomain, { library } from '../../domains/kernel/sample/index.ts'
import { type FeedBatch, feedBatch } from './changes.ts'
import { diff } from './past.ts'
import type { Projection } from './projection.ts'
import { read } from './reads.ts'
import { scrub } from './scrub.ts'
import { openStore, recordAt, recordOf } from './store.child.ts'
import { ProjectionStore } from './store.ts'

const stores: ProjectionStore[] = []

afterEach(() => {
  for (const store of stores.splice(0)) store.close()
})

function newStore(projections: readonly Projection[] = []): ProjectionStore {
  const store = new ProjectionStore(':memory:', new Registry([libraryDomain]), projections)
  stores.push(store)
  return store
}

type Events = Parameters<typeof recordOf>[1]
const shelf = (uid: string, more: object = {}) => ({ uid, name: uid, labels: {}, capacity: 1, ...more })
const put = (uid: string, more: object = {}) => ({ type: 'ShelfCreated', data: shelf(uid, more) })

function apply(store: ProjectionStore, ...entries: readonly Events[]): void {
  const next = store.checkpoint.revision + 1
  store.apply(entries.map((events, i) => ({ revision: next + i, record: recordOf(next + i, events) })))
}

function scrubbed(store: ProjectionStore): readonly string[] {
  const steps = scrub(store)
  for (let step = steps.next(); ; step = steps.next()) if (step.done === true) return step.value
}

/** A projection of one row a shelf and one in all, which chokes on the second row of a shelf called `cursed`. */
const choking: Projection = {
  name: 'choking',
  version: 1,
  referrers: [],
  affected: ({ after, before }) => [`first ${(after ?? before)?.uid}`, `second ${(after ?? before)?.uid}`],
  affectedByHistory: () => [],
  row: (key, resources) => {
    const [which, uid = ''] = key.split(' ')
    const of = resources.get(library, 'shelf', uid)
    if (of?.name === 'cursed' && which === 'second') throw new Error('cursed')
    return of === undefined ? undefined : { slice: '', data: { which, name: of.name } }
  },
}
const keys = (store: ProjectionStore, set: string) =>
  store.database
    .prepare(`SELECT key FROM "${set}" ORDER BY key`)
    .all()
    .map(({ key }) => key)

describe('an entry', () => {
  it('on which a projection chokes leaves that as it was before, and the others go on', () => {
    const store = newStore([choking])
    apply(store, [put('a')], [put('b', { name: 'cursed' })], [put('c')])
    expect(keys(store, 'choking')).toEqual(['first a', 'second a'])
    expect(keys(store, 'library.shelf')).toEqual(['a', 'b', 'c'])
    expect(store.quarantined.get('choking')).toBe('revision 2: cursed')
    expect(scrubbed(store)).toEqual([])
  })

  it('that cannot be taken takes the whole batch back, digests and quarantine too', () => {
    const store = newStore([choking])
    apply(store, [put('a')])
    const before = { digests: store.digests, checkpoint: store.checkpoint }
    expect(() => apply(store, [put('b', { name: 'cursed' })], [put('a')])).toThrow(/there already/)
    expect({ digests: store.digests, checkpoint: store.checkpoint }).toEqual(before)
    expect(store.quarantined.size).toBe(0)
    apply(store, [put('b')], [put('c')])
    expect(scrubbed(store)).toEqual([])
    expect(keys(store, 'choking')).toHaveLength(6)
  })

  it('that meets a fault of the file quarantines nobody', () => {
    const asking: Projection = {
      ...choking,
      referrers: ['library.book'],
      affected: (_change, resources) => resources.referrers(library, 'book', 'a').map(({ uid }) => uid),
    }
    const store = newStore([asking])
    apply(store, [
      put('a'),
      { type: 'BookAdded', data: { ...shelf('x'), shelf: 'a', pages: 1, sequel: null } },
    ])
    store.database.exec('DROP TABLE reference')
    expect(() => apply(store, [put('b')])).toThrow(/no such table/)
    expect(store.quarantined.size).toBe(0)
  })

  it('may change, delete and make a row again: the last counts, and digests hold', () => {
    const store = newStore()
    const resize = (capacity: number) => ({ type: 'ShelfResized', data: { uid: 'a', capacity } })
    const drop = { type: 'ShelfDeleted', data: { uid: 'a' } }
    apply(
      store,
      [put('a'), resize(2), resize(3)],
      [drop, put('a', { capacity: 9 })],
      [put('b'), { type: 'ShelfDeleted', data: { uid: 'b' } }],
    )
    apply(store, [resize(4), drop], [put('a'), drop, put('a', { capacity: 7 })])
    const capacities = ['1', '2', '3', '4', '5'].map((at) =>
      read(store, { kind: 'library.shelf', at, now: 0 }).rows.map((row) => row['capacity']),
    )
    expect(capacities).toEqual([[3], [9], [9], [], [7]])
    expect(scrubbed(store)).toEqual([])
  })
})

describe('a difference', () => {
  it('names a resource once that was called otherwise in between', () => {
    const store = newStore()
    const rename = (name: string) => ({ type: 'ShelfResized', data: { uid: 'a', name } })
    apply(store, [put('z')], [put('a')], [rename('b')], [rename('c')])
    const { differences } = diff(store, ['library.shelf'], '1', '4', 0)
    expect(differences.map(({ before, after }) => [before, after?.['name']])).toEqual([[null, 'c']])
  })
})

describe('a filter', () => {
  it('by what is no field is refused, also by names that every object has', () => {
    const store = newStore()
    for (const field of ['constructor', 'toString', '__proto__', "uid' OR 1=1 --"])
      expect(() => read(store, { kind: 'library.shelf', filter: { [field]: 'x' }, now: 0 }), field).toThrow(
        /has no field/,
      )
  })
})

describe('a feed in batches', () => {
  /** Takes batches until there are no more; `between` happens after each. */
  function take(
    store: ProjectionStore,
    query: { readonly projection: string; readonly fromRevision: number; readonly history: string },
    rows: Map<string, string>,
    between: () => void = () => undefined,
  ): FeedBatch {
    let after: { readonly key: string; readonly revision: number } | undefined
    for (;;) {
      const batch = feedBatch(store, { ...query, slice: '', after })
      if (batch.reset) rows.clear()
      for (const { key, data } of batch.changes) {
        if (data === null) rows.delete(key)
        else rows.set(key, data)
      }
      if (!batch.more) return batch
      const last = batch.changes.at(-1)
      after = last === undefined ? undefined : { key: last.key, revision: batch.revision }
      between()
    }
  }
  const current = (store: ProjectionStore, set: string): ReadonlyMap<string, string> =>
    new Map(
      store.database
        .prepare(`SELECT key, data FROM "${set}" ORDER BY key`)
        .all()
        .map(({ key, data }) => [key as string, data as string]),
    )

  it('is a snapshot of one revision though rows change between batches, and goes on from there', () => {
    const store = newStore()
    apply(
      store,
      Array.from({ length: 1300 }, (_, i) => put(`s${String(i).padStart(4, '0')}`)),
    )
    const wanted = current(store, 'library.shelf')
    let step = 0
    const change = (): void => {
      step++
      apply(store, [{ type: 'ShelfDeleted', data: { uid: `s000${step}` } }], [put(`s0${step}`)])
      apply(
        store,
        [{ type: 'ShelfResized', data: { uid: 's1250', capacity: 100 + step } }],
        [put(`t${step}`)],
      )
    }
    const rows = new Map<string, string>()
    const query = { projection: 'library.shelf', fromRevision: 0, history: 'another' }
    const { revision, history } = take(store, query, rows, change)
    expect(step).toBe(2)
    expect(revision).toBe(1)
    expect(rows).toEqual(wanted)
    take(store, { ...query, fromRevision: revision, history }, rows)
    expect(rows).toEqual(current(store, 'library.shelf'))
  })

  it('cuts the many changes of one revision without losing any', () => {
    const store = newStore()
    apply(store, [put('top')])
    const rows = new Map<string, string>()
    const query = { projection: 'library.book', history: '' }
    const book = (i: number) => ({
      uid: `b${i}`,
      name: `b${i}`,
      labels: {},
      shelf: 'top',
      pages: 1,
      sequel: null,
    })
    const books = Array.from({ length: 1200 }, (_, i) => book(i))
    apply(
      store,
      books.map((data) => ({ type: 'BookAdded', data })),
      [put('other')],
    )
    let between = 0
    const grow = (): void => {
      between++
      apply(store, [{ type: 'BookAdded', data: book(5000 + between) }])
    }
    const { revision } = take(store, { ...query, fromRevision: 1 }, rows, grow)
    expect(between).toBe(2)
    expect(rows).toEqual(current(store, 'library.book'))
    apply(
      store,
      books.map(({ uid }) => ({ type: 'BookDeleted', data: { uid } })),
    )
    take(store, { ...query, fromRevision: revision }, rows, grow)
    expect(rows).toEqual(current(store, 'library.book'))
  })
})

describe('a file', () => {
  let directory: string
  beforeEach(async () => {
    directory = await mkdtemp(join(tmpdir(), 'ultracloud-projections-'))
  })
  afterEach(() => rm(directory, { recursive: true }))

  const uid = (i: number) => `shelf ${String(i).padStart(6, '0')}`
  /** More rows than memory has room for: they come, change and go, those of long ago too. */
  function life(revision: number): Events {
    const events: { readonly type: string; readonly data: object }[] = [put(uid(revision))]
    const old = Math.floor(revision / 3)
    if (revision % 3 === 0) events.push({ type: 'ShelfResized', data: { uid: uid(old), capacity: revision } })
    if (revision % 7 === 1 && old % 3 === 1 && revision > 7)
      events.push({
        type: 'BookAdded',
        data: { ...shelf(`book ${revision}`), shelf: uid(old), pages: 1, sequel: null },
      })
    return events
  }
  const records = Array.from({ length: 7000 }, (_, i) => ({
    revision: i + 1,
    record: recordOf(i + 1, life(i + 1)),
  }))
  function open(name: string): ProjectionStore {
    const store = openStore(join(directory, name))
    stores.push(store)
    return store
  }
  function take(store: ProjectionStore, from: number, to: number, batch: number): void {
    for (let at = from; at < to; at += batch) store.apply(records.slice(at, Math.min(to, at + batch)))
  }
  const shown = (store: ProjectionStore) => ({
    digests: store.digests,
    rows: ['library.shelf', 'library.book', 'shelf_pages'].map((set) =>
      store.database.prepare(`SELECT * FROM "${set}" ORDER BY key`).all(),
    ),
    books: read(store, { kind: 'library.book', at: '5000', pageSize: 1000, now: 0 }),
  })

  it('of more rows than memory has room for is the same, however they came, and when it was opened again', () => {
    const whole = open('whole')
    take(whole, 0, records.length, 3000)
    const parts = open('parts')
    parts.createIndexes()
    take(parts, 0, 5600, 700)
    parts.close()
    stores.splice(stores.indexOf(parts), 1)
    const again = open('parts')
    take(again, 5600, records.length, 100)
    expect(shown(again)).toEqual(shown(whole))
    expect(scrubbed(again)).toEqual([])
  })

  it('that was loaded is what one is that was written batch by batch, and goes on alike', () => {
    const whole = open('whole')
    take(whole, 0, records.length, 1000)
    const loaded = open('loaded')
    loaded.beginLoad()
    take(loaded, 0, 6500, 1000)
    loaded.endLoad()
    expect(scrubbed(loaded)).toEqual([])
    take(loaded, 6500, records.length, 1000)
    expect(shown(loaded)).toEqual(shown(whole))
    expect(scrubbed(loaded)).toEqual([])
  })

  it('is scrubbed: a version that is not what it was, a row too many and a row too few are found', () => {
    const store = open('damaged')
    take(store, 0, 3000, 1000)
    store.createIndexes()
    const damage = (sql: string): readonly string[] => {
      store.database.exec(`SAVEPOINT sound; ${sql}`)
      store.database.exec('RELEASE sound')
      return scrubbed(store)
    }
    expect(
      damage(
        `UPDATE "library.book.history" SET data = replace(data, '"pages":1', '"pages":2') WHERE id % 5 = 0`,
      ),
    ).toEqual(['library.book.history'])
    expect(damage(`DELETE FROM "library.shelf" WHERE key = '${uid(500)}'`)).toContain('library.shelf')
    expect(
      damage(`INSERT INTO shelf_pages SELECT 'another', slice, revision, data FROM shelf_pages LIMIT 1`),
    ).toContain('shelf_pages')
  })
})

describe('a process that is killed', () => {
  let directory: string
  beforeEach(async () => {
    directory = await mkdtemp(join(tmpdir(), 'ultracloud-projections-'))
  })
  afterEach(() => rm(directory, { recursive: true }))

  it('has applied every entry up to its checkpoint once', async () => {
    const path = join(directory, 'projections.sqlite')
    const child = new URL('./store.child.ts', import.meta.url).pathname
    let last = 0
    for (let round = 1; round <= 3; round++) {
      const running = spawn(process.execPath, [child, path], { stdio: ['ignore', 'pipe', 'inherit'] })
      const ended = new Promise((resolve) => running.once('exit', resolve))
      for await (const line of createInterface({ input: running.stdout }))
        if (Number(line) >= last + 300 * round) running.kill('SIGKILL')
      await ended
      const store = openStore(path)
      stores.push(store)
      const { revision } = store.checkpoint
      expect(revision).toBeGreaterThan(last)
      const whole = openStore(':memory:')
      stores.push(whole)
      whole.apply(Array.from({ length: revision }, (_, i) => ({ revision: i + 1, record: recordAt(i + 1) })))
      expect(store.digests).toEqual(whole.digests)
      expect(scrubbed(store)).toEqual([])
      last = revision
    }
  })
})
