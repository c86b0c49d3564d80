import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { ClassicLevel } from 'classic-level'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { type DiskLimits, DiskTable } from './disk_table.ts'
import { Rejection } from './rejection.ts'
import { RowStore } from './row_store.ts'
import { Journal } from './table.ts'

interface Row {
  readonly number: number
}

const LIMITS: DiskLimits = { rowCacheBytes: 0, pageKeys: 8, pageCacheBytes: 0, changedKeysMax: 10 }
const spec = { index: { tens: ({ number }: Row) => String(number % 10) } }
const nameOf = (number: number): string => `thing ${String(number).padStart(3, '0')}`
let directory: string

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'ultracloud-damage-'))
})

afterEach(() => rm(directory, { recursive: true }))

class Opened {
  readonly journal = new Journal()
  readonly table = new DiskTable<Row, 'tens'>('things', spec, this.journal)
  readonly damage: Error[] = []
  repaired: string | undefined
  #store: RowStore | undefined
  #revision = 0

  async open(): Promise<this> {
    const tables = new Map([['things', this.table]])
    const fail = (error: Error): never => {
      throw error
    }
    const { store, repaired, applied } = await RowStore.open(directory, { tables }, fail, LIMITS)
    store.whenDamaged((error) => this.damage.push(error))
    this.#store = store
    this.repaired = repaired
    this.#revision = applied.revision
    return this
  }

  get store(): RowStore {
    return this.#store as RowStore
  }

  async put(numbers: readonly number[], add = 0): Promise<void> {
    for (const number of numbers) this.table.put(nameOf(number), { number: number + add })
    const revision = ++this.#revision
    this.store.write(this.journal.take(), { revision, time: revision }, Buffer.from(String(revision)))
    await this.store.flush()
  }

  readAll(): void {
    expect([...this.table.values()]).toHaveLength(100)
    for (let ten = 0; ten < 10; ten++) expect(this.table.list('tens', String(ten))).toHaveLength(10)
  }
}

/** Makes a hundred rows, and has files changed while nobody has them open. */
async function harmed(harm: (database: ClassicLevel, key: (of: string) => string) => Promise<void>) {
  const first = await new Opened().open()
  const numbers = Array.from({ length: 100 }, (_, number) => (number * 37) % 100)
  for (let at = 0; at < 100; at += 20) await first.put(numbers.slice(at, at + 20))
  await first.put([50])
  first.readAll()
  await first.store.close()
  const database = new ClassicLevel(directory)
  await database.open()
  const keys = await database.keys().all()
  await harm(database, (of) => keys.find((key) => key.startsWith(of)) as string)
  await database.close()
  return new Opened().open()
}

const flip = async (database: ClassicLevel, key: string): Promise<void> => {
  const value = (await database.get(key)) as string
  await database.put(key, `${value.slice(0, -2)}${value.at(-2) === 'x' ? 'y' : 'x'}${value.slice(-1)}`)
}

describe('damage of what is on disk', () => {
  const onReading: readonly [
    string,
    (database: ClassicLevel, key: (of: string) => string) => Promise<void>,
  ][] = [
    ['a changed row', (database) => flip(database, `disk\0things\0${nameOf(50)}`)],
    ['a lost row', (database) => database.del(`disk\0things\0${nameOf(50)}`)],
    [
      'another row in its place',
      async (database) => {
        const other = (await database.get(`disk\0things\0${nameOf(51)}`)) as string
        await database.put(`disk\0things\0${nameOf(50)}`, other)
      },
    ],
    ['a changed page', (database, key) => flip(database, key('page\0things\0'))],
    ['a lost page', (database, key) => database.del(key('page\0things.tens\0'))],
  ]
  for (const [what, harm] of onReading)
    it(`is found when it is read: ${what}`, async () => {
      const opened = await harmed(harm)
      const { table, damage, store } = opened
      expect(opened.repaired).toBeUndefined()
      expect(() => opened.readAll()).toThrow(Rejection)
      await expect.poll(() => damage).toHaveLength(1)
      store.clear()
      expect(store.damage).toBeUndefined()
      expect([...table.values()]).toEqual([])
      await store.close()
    })

  const atStart: readonly [string, (database: ClassicLevel, key: (of: string) => string) => Promise<void>][] =
    [
      ['a lost part of the directory', (database, key) => database.del(key('place\0things\0'))],
      ['a changed part of the directory', (database, key) => flip(database, key('place\0things.tens\0'))],
      ['lost changes', (database, key) => database.del(key('changes\0things\0'))],
      ['a changed record of all', (database) => flip(database, 'meta')],
    ]
  for (const [what, harm] of atStart)
    it(`is found at the start: ${what}`, async () => {
      const { repaired, table, store } = await harmed(harm)
      expect(repaired).toBeTruthy()
      expect(table.size).toBe(0)
      expect([...table.values()]).toEqual([])
      await store.close()
    })

  it('is found by a scrub where no one reads, also a row that is old and else sound', async () => {
    const first = await new Opened().open()
    await first.put([1])
    await first.store.close()
    const database = new ClassicLevel(directory)
    await database.open()
    const old = (await database.get(`disk\0things\0${nameOf(1)}`)) as string
    await database.close()
    const second = await new Opened().open()
    await second.put([1], 10)
    await second.store.scrub()
    expect(second.store.damage).toBeUndefined()
    await second.store.close()
    await database.open()
    await database.put(`disk\0things\0${nameOf(1)}`, old)
    await database.close()
    const third = await new Opened().open()
    expect(third.repaired).toBeUndefined()
    await third.store.scrub()
    expect(third.store.damage?.message).toMatch(/things: 1 rows were written, 1 other ones are there/)
    await third.store.close()
  })

  it('is found when one lost key is looked for, and says nothing of one that never was', async () => {
    const { table, store, damage } = await harmed((database) => database.del(`disk\0things\0${nameOf(50)}`))
    expect(table.get('thing 0500')).toBeUndefined()
    expect(() => table.get(nameOf(50))).toThrow(/made anew from the log/)
    await expect.poll(() => damage).toHaveLength(1)
    await store.close()
  })

  it('ends a range that is read in chunks', async () => {
    const { table, store } = await harmed((database) => flip(database, `disk\0things\0${nameOf(50)}`))
    const read = async (): Promise<void> => {
      for await (const rows of table.chunks('')) expect(rows.length).toBeGreaterThan(0)
    }
    await expect(read()).rejects.toThrow(Rejection)
    await store.close()
  })
})
