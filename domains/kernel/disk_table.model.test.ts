import { cp, mkdtemp, readdir, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type DiskLimits, DiskTable } from './disk_table.ts'
import { MemoryTable } from './memory_table.ts'
import { RowStore } from './row_store.ts'
import { Journal, type ReadTable, undo, type Write } from './table.ts'

interface Row {
  readonly key: string
  readonly group: string | null
  readonly text: string
}

/** So small that few rows make many pages, that nearly all is read from disk, and that changes go into pages with nearly every batch. */
const LIMITS: DiskLimits = { rowCacheBytes: 2500, pageKeys: 4, pageCacheBytes: 600, changedKeysMax: 3 }
const spec = { index: { group: ({ group }: Row) => group ?? undefined } }

type Step =
  | { readonly do: 'put'; readonly key: string; readonly group: string | null; readonly text: string }
  | { readonly do: 'delete'; readonly key: string }
  | { readonly do: 'savepoint' | 'rollback' | 'propose' | 'commit' | 'undo' | 'flush' | 'start' }
  | { readonly do: 'open' | 'kill' | 'pin' | 'unpin' | 'scrub' }

const key = fc.string({ unit: fc.constantFrom('\0', 'a', 'b', 'é', 'ÿ'), minLength: 1, maxLength: 3 })
const put = fc.record({
  do: fc.constant('put' as const),
  key,
  group: fc.constantFrom('x', 'y', null),
  text: fc.string({ maxLength: 40 }),
})
const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 24, arbitrary: put },
  { weight: 8, arbitrary: fc.record({ do: fc.constant('delete' as const), key }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constantFrom('savepoint' as const, 'rollback' as const) }) },
  { weight: 10, arbitrary: fc.record({ do: fc.constant('propose' as const) }) },
  { weight: 9, arbitrary: fc.record({ do: fc.constant('commit' as const) }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('undo' as const) }) },
  { weight: 4, arbitrary: fc.record({ do: fc.constantFrom('flush' as const, 'start' as const) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constantFrom('open' as const, 'kill' as const) }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constantFrom('pin' as const, 'unpin' as const) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('scrub' as const) }) },
)

class Run {
  readonly #base: string
  #directory: string
  #copies = 0
  readonly #journal = new Journal()
  readonly #modelJournal = new Journal()
  #table = new DiskTable<Row, 'group'>('things', spec, this.#journal)
  readonly #model = new MemoryTable<Row, never, 'group', never>('things', spec, this.#modelJournal)
  #inFlight: { readonly writes: readonly Write[]; readonly modelled: readonly Write[] }[] = []
  #saved: readonly [number, number] = [0, 0]
  #revision = 0
  /** The committed rows by revision. */
  readonly #committed = new Map<number, string>([[0, '[]']])
  readonly #rows = new Map<string, object>()
  #store: RowStore | undefined
  #pins: { readonly rows: AsyncIterable<readonly Row[]>; readonly expected: readonly Row[] }[] = []
  readonly errors: Error[] = []

  constructor(base: string) {
    this.#base = base
    this.#directory = join(base, 'rows')
  }

  async open(): Promise<void> {
    this.#table = new DiskTable<Row, 'group'>('things', spec, this.#journal)
    const tables = new Map([['things', this.#table]])
    const rows = await RowStore.open(this.#directory, { tables }, (error) => this.errors.push(error), LIMITS)
    expect(rows.repaired).toBeUndefined()
    this.#store = rows.store
    const { revision } = rows.applied
    expect(JSON.stringify([...this.#table.values()])).toBe(this.#committed.get(revision))
    this.#revision = revision
    const kept = new Map(
      (JSON.parse(this.#committed.get(revision) as string) as Row[]).map((row) => [row.key, row]),
    )
    this.#rows.clear()
    for (const [at, row] of kept) this.#rows.set(at, row)
    this.#model.clear()
    for (const [at, row] of kept) this.#model.restore(at, row)
  }

  async step(each: Step): Promise<void> {
    const store = this.#store as RowStore
    switch (each.do) {
      case 'put': {
        const { key: at, group, text } = each
        this.#table.put(at, { key: at, group, text })
        this.#model.put(at, { key: at, group, text })
        return
      }
      case 'delete':
        if (this.#model.get(each.key) === undefined) {
          expect(() => this.#table.delete(each.key)).toThrow(RangeError)
          return
        }
        this.#table.delete(each.key)
        this.#model.delete(each.key)
        return
      case 'savepoint':
        this.#saved = [this.#journal.savepoint(), this.#modelJournal.savepoint()]
        return
      case 'rollback':
        this.#journal.rollback(this.#saved[0])
        this.#modelJournal.rollback(this.#saved[1])
        return
      case 'propose':
        this.#inFlight.push({ writes: this.#journal.take(), modelled: this.#modelJournal.take() })
        this.#saved = [0, 0]
        return
      case 'commit':
        return this.#commit()
      case 'undo':
        return this.#undoLast()
      case 'flush':
        return store.flush()
      case 'start':
        void store.flush()
        return
      case 'open':
        return this.#reopen(false)
      case 'kill':
        return this.#reopen(true)
      case 'pin':
        this.#pins.push({ rows: this.#table.chunks('a', 'ÿ'), expected: [...this.#model.range('a', 'ÿ')] })
        return
      case 'unpin':
        return this.unpin()
      case 'scrub':
        void store.scrub()
        return
    }
  }

  check(): void {
    expect(asked(this.#table)).toBe(asked(this.#model))
  }

  async unpin(): Promise<void> {
    const pins = this.#pins
    this.#pins = []
    for (const { rows, expected } of pins) {
      const found: Row[] = []
      for await (const chunk of rows) found.push(...chunk)
      expect(found).toEqual(expected)
    }
  }

  /** Reads all that is on disk, as it was written. */
  async end(): Promise<void> {
    await this.unpin()
    const store = this.#store as RowStore
    await store.flush()
    await store.scrub()
    expect(store.damage).toBeUndefined()
    await store.close()
    expect(this.errors).toEqual([])
  }

  #commit(): void {
    const first = this.#inFlight.shift()
    if (first === undefined) return
    this.#revision++
    const revision = this.#revision
    ;(this.#store as RowStore).write(first.writes, { revision, time: revision }, Buffer.from(`${revision}`))
    for (const { key: at, after } of first.writes)
      if (after === undefined) this.#rows.delete(at)
      else this.#rows.set(at, after)
    const rows = [...this.#rows].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, row]) => row)
    this.#committed.set(revision, JSON.stringify(rows))
  }

  #undoLast(): void {
    this.#journal.rollback(0)
    this.#modelJournal.rollback(0)
    this.#saved = [0, 0]
    const last = this.#inFlight.pop()
    if (last === undefined) return
    undo(last.writes)
    undo(last.modelled)
  }

  /** What is in flight is lost; after a kill, what is not on disk, too. */
  async #reopen(killed: boolean): Promise<void> {
    await this.unpin()
    this.#undoLast()
    while (this.#inFlight.length > 0) this.#undoLast()
    const store = this.#store as RowStore
    expect(store.damage).toBeUndefined()
    if (killed) {
      const copy = join(this.#base, `copy${this.#copies++}`)
      await copyAsKilled(this.#directory, copy)
      await store.close()
      this.#directory = copy
    } else await store.close()
    await this.open()
  }
}

/** Copies the files of a database that is open: again, as long as it makes or deletes files meanwhile. */
async function copyAsKilled(from: string, to: string): Promise<void> {
  for (;;) {
    const before = await readdir(from)
    const copied = await cp(from, to, { recursive: true, filter: (path) => !path.endsWith('LOCK') }).then(
      () => true,
      () => false,
    )
    if (copied && (await readdir(from)).join() === before.join()) return
    await rm(to, { recursive: true, force: true })
  }
}

/** Everything that a table can be asked. */
function asked(table: ReadTable<Row, never, 'group'>): string {
  const intervals = [
    ['a', 'b'],
    ['b', 'b\0'],
    ['\0', 'é'],
    ['aa', undefined],
    ['b', 'a'],
  ] as const
  const ranges = intervals.map(([from, to]) => [
    [...table.range(from, to)],
    [...table.keys(from, to)],
    table.countRange(from, to),
    table.get(from),
  ])
  const groups = ['x', 'y', 'z'].map((group) => [
    table.list('group', group),
    [...table.listKeys('group', group, 'b')],
    table.count('group', group),
  ])
  return JSON.stringify([[...table.values()], table.size, ranges, groups], undefined, 1)
}

let directory: string

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'ultracloud-disk-table-'))
})

afterAll(() => rm(directory, { recursive: true }))

describe('a table on disk', () => {
  it('agrees with one in memory, whatever is written, undone, committed, flushed, pinned, opened again or killed', async () => {
    let runs = 0
    await fc.assert(
      fc.asyncProperty(fc.array(step, { minLength: 20, maxLength: 250, size: 'max' }), async (steps) => {
        const run = new Run(join(directory, String(runs++)))
        await run.open()
        for (const each of steps) {
          await run.step(each)
          run.check()
        }
        await run.end()
      }),
      { numRuns: 30, endOnFailure: true },
    )
  }, 120_000)

  it('finds keys of any length, whatever their characters take', async () => {
    const at = join(directory, 'lengths')
    const journal = new Journal()
    const table = new DiskTable<Row, 'group'>('things', spec, journal)
    const fail = (error: Error): never => {
      throw error
    }
    const { store } = await RowStore.open(at, { tables: new Map([['things', table]]) }, fail, {
      ...LIMITS,
      rowCacheBytes: 0,
    })
    const keys = [40, 41, 42, 43, 99, 100, 900, 1000, 1001, 1002, 1003, 1100, 1101, 5000, 5001, 20_000].map(
      (length) => 'ÿ'.repeat(length),
    )
    for (const each of keys) table.put(each, { key: each, group: null, text: '' })
    store.write(journal.take(), { revision: 1, time: 1 }, Buffer.from('1'))
    await store.flush()
    for (const each of keys) expect(table.get(each)?.key).toBe(each)
    await store.close()
  })

  it('has neither unique indexes nor sums', () => {
    const unique = { ...spec, unique: { text: ({ text }: Row) => text } } as object
    expect(() => new DiskTable('things', unique, new Journal())).toThrow(TypeError)
  })
})
