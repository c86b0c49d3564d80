import { appendFile, readdir, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { append, contents, entry, range, TestStorage, texts } from './test-storage.ts'

const storage = TestStorage.use()

test('what is done is there after reopening, sealed or not', async () => {
  const entries = await storage.prepare(true)
  const store = await storage.open()
  expect(store.sealedIndex).toBe(16)
  expect(store.lastIndex()).toBe(20)
  expect(store.hardState).toEqual({ term: 2, vote: 3 })
  expect(contents(store)).toEqual(texts(entries))
  expect([0, 1, 12, 13, 16, 17, 20].map((index) => store.termAt(index))).toEqual([0, 1, 1, 2, 2, 2, 2])
  expect(() => store.termAt(21)).toThrow(RangeError)
  expect((await readdir(join(storage.directory, 'segments'))).length).toBe(2)
})

test('a read obeys its limit but gives one entry at least', async () => {
  await storage.prepare(true)
  const store = await storage.open()
  for (const from of [1, 15, 17]) {
    expect(store.entries(from, 20, 0).map(({ index }) => index)).toEqual([from])
    expect(store.entries(from, 20, 20).map(({ index }) => index)).toEqual([from, from + 1])
  }
  expect(store.entries(21, 30, 100)).toEqual([])
})

test('changes queued together are done in order, in few batches', async () => {
  const store = await storage.open()
  const order: number[] = []
  const all = range(1, 50).map(
    (added) =>
      new Promise<void>((done) => {
        const hardState = added.index === 1 ? { term: 1, vote: 1 } : null
        store.append({ hardState, truncateFrom: 0, entries: [added] }, () => {
          order.push(store.lastIndex())
          done()
        })
      }),
  )
  expect(store.lastIndex()).toBe(0)
  await Promise.all(all)
  expect(order).toEqual(range(1, 50).map(({ index }) => index))
})

test('truncation replaces the end of the log, also what was acknowledged', async () => {
  const store = await storage.open()
  await append(store, range(1, 10), { term: 1, vote: 1 })
  await append(store, [entry(6, 2, 'other 6'), entry(7, 2, 'other 7')], { term: 2, vote: 0 }, 6)
  expect(store.lastIndex()).toBe(7)
  await store.close()
  const again = await storage.open()
  expect(contents(again)).toEqual(texts([...range(1, 5), entry(6, 2, 'other 6'), entry(7, 2, 'other 7')]))
})

test('a truncation behind a write under way never shows entries that are not durable', async () => {
  const store = await storage.open()
  await append(store, range(1, 4), { term: 1, vote: 1 })
  const shown: number[] = []
  const first = new Promise<void>((done) =>
    store.append({ hardState: null, truncateFrom: 0, entries: range(5, 8) }, () => {
      shown.push(store.lastIndex())
      done()
    }),
  )
  const second = append(store, [entry(7, 2, 'other')], { term: 2, vote: 0 }, 7)
  await first
  expect(shown).toEqual([6])
  await second
  expect(store.lastIndex()).toBe(7)
  expect(contents(store)).toEqual(texts([...range(1, 6), entry(7, 2, 'other')]))
})

test('a committed entry is never replaced', async () => {
  const store = await storage.open()
  await append(store, range(1, 10), { term: 1, vote: 1 })
  store.committed(5)
  expect(() => store.append({ hardState: null, truncateFrom: 5, entries: [] }, () => undefined)).toThrow(
    'MISUSE',
  )
  expect(storage.failures.map(({ reason }) => reason)).toEqual(['MISUSE'])
  expect(() =>
    store.append({ hardState: null, truncateFrom: 0, entries: range(11, 11) }, () => undefined),
  ).toThrow('MISUSE')
})

test('a failed write stops the store: everything after it fails', async () => {
  const store = await storage.open()
  await append(store, range(1, 8), { term: 1, vote: 1 })
  await rm(join(storage.directory, 'segments'), { recursive: true })
  await appendFile(join(storage.directory, 'segments'), 'a file where the directory was')
  store.committed(8)
  await store.settled()
  expect(storage.failures.map(({ reason }) => reason)).toEqual(['WRITE_FAILED'])
  expect(() =>
    store.append({ hardState: null, truncateFrom: 0, entries: range(9, 9) }, () => undefined),
  ).toThrow('WRITE_FAILED')
})
