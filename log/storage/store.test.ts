import { appendFile, cp, mkdtemp, readdir, readFile, rm, truncate, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { ClassicLevel } from 'classic-level'
import { afterEach, beforeEach, expect, test } from 'vitest'
import type { Entry, HardState } from '../raft/types.ts'
import { StorageError, type StorageReason } from './errors.ts'
import { readLog, writeLog } from './offline.ts'
import { scrub } from './scrub.ts'
import { LogStore } from './store.ts'

const identity = { clusterId: 'test-cluster', memberId: 1 }
const blockEntries = 8
let base: string
let directory: string
const opened: LogStore[] = []

beforeEach(async () => {
  base = await mkdtemp(join(tmpdir(), 'chainfire-storage-'))
  directory = join(base, 'data')
})

afterEach(async () => {
  for (const store of opened.splice(0)) await store.close()
  await rm(base, { recursive: true, force: true })
})

async function open(at: string = directory): Promise<LogStore> {
  const store = await LogStore.open(
    at,
    identity,
    (error) => {
      throw error
    },
    blockEntries,
  )
  opened.push(store)
  return store
}

function entry(index: number, term = 1, text = `payload ${index}`): Entry {
  return { index, term, kind: 'data', payload: Buffer.from(text) }
}

function range(from: number, to: number, term = 1): Entry[] {
  return Array.from({ length: to - from + 1 }, (_, position) => entry(from + position, term))
}

async function append(
  store: LogStore,
  entries: readonly Entry[],
  hardState: HardState | null = null,
  truncateFrom = 0,
): Promise<void> {
  await new Promise<void>((done) => store.append({ hardState, truncateFrom, entries }, done))
}

function contents(store: LogStore): string[] {
  const found: string[] = []
  for (let next = 1; next <= store.lastIndex(); ) {
    const entries = store.entries(next, store.lastIndex(), 64)
    for (const { index, term, payload } of entries) {
      found.push(`${index}/${term} ${Buffer.from(payload).toString()}`)
    }
    next += entries.length
  }
  return found
}

function expected(entries: readonly Entry[]): string[] {
  return entries.map(({ index, term, payload }) => `${index}/${term} ${Buffer.from(payload).toString()}`)
}

async function expectRefused(reason: StorageReason, at: string = directory): Promise<string> {
  const outcome = await LogStore.open(at, identity, () => undefined, blockEntries).catch(
    (error: unknown) => error,
  )
  if (outcome instanceof LogStore) await outcome.close()
  expect(outcome).toBeInstanceOf(StorageError)
  if (!(outcome instanceof StorageError)) return ''
  expect(outcome.reason).toBe(reason)
  expect(outcome.code).toBe('STORAGE')
  return outcome.message
}

async function withDatabase(
  at: string,
  action: (database: ClassicLevel<Buffer, Buffer>) => Promise<void>,
): Promise<void> {
  const database = new ClassicLevel<Buffer, Buffer>(join(at, 'log'), {
    keyEncoding: 'buffer',
    valueEncoding: 'buffer',
  })
  await database.open()
  await action(database).finally(() => database.close())
}

function keyOf(index: number): Buffer {
  const key = Buffer.alloc(9)
  key.write('e', 'latin1')
  key.writeUInt32BE(index, 5)
  return key
}

/** A log of 20 entries in terms 1 and 2, closed; two blocks of it are sealed when `sealed`. */
async function prepare(sealed: boolean, at: string = directory): Promise<Entry[]> {
  const store = await open(at)
  const entries = [...range(1, 12), ...range(13, 20, 2)]
  await append(store, entries.slice(0, 12), { term: 1, vote: 1 })
  await append(store, entries.slice(12), { term: 2, vote: 3 })
  if (sealed) store.committed(20)
  await store.settled()
  await store.close()
  return entries
}

test('what is done is there after reopening, sealed or not', async () => {
  const entries = await prepare(true)
  const store = await open()
  expect(store.sealedIndex).toBe(16)
  expect(store.lastIndex()).toBe(20)
  expect(store.hardState).toEqual({ term: 2, vote: 3 })
  expect(contents(store)).toEqual(expected(entries))
  expect([0, 1, 12, 13, 16, 17, 20].map((index) => store.termAt(index))).toEqual([0, 1, 1, 2, 2, 2, 2])
  expect(() => store.termAt(21)).toThrow(RangeError)
  expect((await readdir(join(directory, 'segments'))).length).toBe(2)
})

test('a read obeys its limit but gives one entry at least', async () => {
  await prepare(true)
  const store = await open()
  for (const from of [1, 15, 17]) {
    expect(store.entries(from, 20, 0).map(({ index }) => index)).toEqual([from])
    expect(store.entries(from, 20, 20).map(({ index }) => index)).toEqual([from, from + 1])
  }
  expect(store.entries(21, 30, 100)).toEqual([])
})

test('changes queued together are done in order, in few batches', async () => {
  const store = await open()
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
  const store = await open()
  await append(store, range(1, 10), { term: 1, vote: 1 })
  await append(store, [entry(6, 2, 'other 6'), entry(7, 2, 'other 7')], { term: 2, vote: 0 }, 6)
  expect(store.lastIndex()).toBe(7)
  await store.close()
  const again = await open()
  expect(contents(again)).toEqual(expected([...range(1, 5), entry(6, 2, 'other 6'), entry(7, 2, 'other 7')]))
})

test('a truncation behind a write under way never shows entries that are not durable', async () => {
  const store = await open()
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
  expect(contents(store)).toEqual(expected([...range(1, 6), entry(7, 2, 'other')]))
})

test('a committed entry is never replaced', async () => {
  const failures: StorageError[] = []
  const store = await LogStore.open(directory, identity, (error) => failures.push(error), blockEntries)
  opened.push(store)
  await append(store, range(1, 10), { term: 1, vote: 1 })
  store.committed(5)
  expect(() => store.append({ hardState: null, truncateFrom: 5, entries: [] }, () => undefined)).toThrow(
    'MISUSE',
  )
  expect(failures.map(({ reason }) => reason)).toEqual(['MISUSE'])
  expect(() =>
    store.append({ hardState: null, truncateFrom: 0, entries: range(11, 11) }, () => undefined),
  ).toThrow('MISUSE')
})

test('a directory of another member or cluster is refused, and so is a second opener', async () => {
  const store = await open()
  await expectRefused('LOCKED')
  await store.close()
  for (const other of [
    { clusterId: 'test-cluster', memberId: 2 },
    { clusterId: 'another', memberId: 1 },
  ]) {
    await expect(LogStore.open(directory, other, () => undefined)).rejects.toThrow('IDENTITY_MISMATCH')
  }
})

test('a log without its identity or its mark is refused', async () => {
  await prepare(false)
  const copy = join(base, 'copy')
  await cp(directory, copy, { recursive: true })
  await rm(join(directory, 'identity.json'))
  await expectRefused('IDENTITY_DAMAGED')
  await rm(join(copy, 'high-water-mark'))
  await expectRefused('MARK_DAMAGED', copy)
})

test('a torn write of the mark falls back to the other slot', async () => {
  const entries = await prepare(false)
  const path = join(directory, 'high-water-mark')
  const intact = await readFile(path)
  const newest = intact.readUInt32BE(12) > intact.readUInt32BE(4096 + 12) ? 0 : 4096
  const torn = Buffer.from(intact)
  torn.fill(0, newest + 20, newest + 48)
  await writeFile(path, torn)
  const store = await open()
  expect(contents(store)).toEqual(expected(entries))
  await store.close()
  await writeFile(path, Buffer.alloc(8192))
  await expectRefused('MARK_DAMAGED')
})

test('a flipped byte in an acknowledged entry is noticed at open', async () => {
  await prepare(false)
  await withDatabase(directory, async (database) => {
    const record = await database.get(keyOf(7))
    if (record === undefined) throw new Error('entry 7 is not there')
    record[34] = (record[34] ?? 0) ^ 1
    await database.put(keyOf(7), record)
  })
  expect(await expectRefused('TAIL_DAMAGED')).toContain('entry 7 was acknowledged')
})

test('a hole, a vanished tail and a vanished vote are noticed at open', async () => {
  await prepare(false)
  const copies = ['hole', 'tail', 'vote'].map((name) => join(base, name))
  for (const copy of copies) await cp(directory, copy, { recursive: true })
  const [hole = '', tail = '', vote = ''] = copies
  await withDatabase(hole, (database) => database.del(keyOf(9)))
  expect(await expectRefused('TAIL_DAMAGED', hole)).toContain('entries 9 to 9 are missing')
  await withDatabase(tail, async (database) => {
    for (const index of [18, 19, 20]) await database.del(keyOf(index))
  })
  expect(await expectRefused('TAIL_VANISHED', tail)).toContain('entries 18 to 20 were acknowledged')
  await withDatabase(vote, (database) => database.del(Buffer.from('h')))
  await expectRefused('TAIL_VANISHED', vote)
})

test('entries of an older write that come back are noticed, though their own checksums hold', async () => {
  const store = await open()
  await append(store, range(1, 10), { term: 1, vote: 1 })
  await store.close()
  const before = new Map<number, Buffer>()
  await withDatabase(directory, async (database) => {
    for (const index of [6, 7]) {
      const record = await database.get(keyOf(index))
      if (record !== undefined) before.set(index, record)
    }
  })
  const again = await open()
  await append(again, [entry(6, 2), entry(7, 2), entry(8, 2)], { term: 2, vote: 0 }, 6)
  await again.close()
  await withDatabase(directory, async (database) => {
    for (const [index, record] of before) await database.put(keyOf(index), record)
  })
  expect(await expectRefused('TAIL_DAMAGED')).toContain('does not follow')
})

test('what LevelDB drops silently from its own log is noticed', async () => {
  const store = await open()
  for (let index = 1; index <= 40; index += 1) {
    await append(store, [entry(index, 1, 'x'.repeat(1000))], index === 1 ? { term: 1, vote: 1 } : null)
  }
  await store.close()
  const journal = (await readdir(join(directory, 'log'))).find((name) => name.endsWith('.log'))
  const path = join(directory, 'log', journal ?? '')
  const content = await readFile(path)
  content[content.length - 3000] = (content[content.length - 3000] ?? 0) ^ 0xff
  await writeFile(path, content)
  const outcome = await LogStore.open(directory, identity, () => undefined, blockEntries).catch(
    (error: unknown) => error,
  )
  expect(outcome).toBeInstanceOf(StorageError)
  expect(String(outcome)).toMatch(/TAIL_VANISHED|TAIL_DAMAGED/)
})

test('damage behind the mark was never acknowledged and is cut off', async () => {
  const entries = await prepare(false)
  await withDatabase(directory, async (database) => {
    await database.put(keyOf(21), Buffer.from('torn'))
    await database.put(keyOf(23), Buffer.from('behind a hole'))
  })
  const store = await open()
  expect(contents(store)).toEqual(expected(entries))
  await append(store, range(21, 24, 2))
  await store.close()
  expect((await open()).lastIndex()).toBe(24)
})

test('a crash at any point of sealing leaves a correct log', async () => {
  const entries = await prepare(false)
  const sealedDirectory = join(base, 'sealed')
  await prepare(true, sealedDirectory)
  const name = (await readdir(join(sealedDirectory, 'segments'))).sort()[0] ?? ''
  const segment = await readFile(join(sealedDirectory, 'segments', name))
  const points: Record<string, (at: string) => Promise<void>> = {
    'nothing but a part of the temporary file': (at) =>
      writeFile(join(at, 'segments', `${name}.temporary`), segment.subarray(0, segment.length / 2)),
    'the temporary file is whole': (at) => writeFile(join(at, 'segments', `${name}.temporary`), segment),
    'the segment is there and nothing is deleted': (at) => writeFile(join(at, 'segments', name), segment),
    'some are deleted': async (at) => {
      await writeFile(join(at, 'segments', name), segment)
      await withDatabase(at, async (database) => {
        for (const index of [1, 2, 5]) await database.del(keyOf(index))
      })
    },
    'all are deleted': async (at) => {
      await writeFile(join(at, 'segments', name), segment)
      await withDatabase(at, async (database) => {
        for (let index = 1; index <= 8; index += 1) await database.del(keyOf(index))
      })
    },
  }
  for (const [point, arrange] of Object.entries(points)) {
    const at = join(base, point)
    await cp(directory, at, { recursive: true })
    await arrange(at)
    const store = await open(at)
    expect(contents(store), point).toEqual(expected(entries))
    store.committed(20)
    await store.settled()
    expect(store.sealedIndex, point).toBe(16)
    expect((await scrub(store.segments)).damage, point).toEqual([])
    await store.close()
    const reopened = await open(at)
    expect(contents(reopened), point).toEqual(expected(entries))
    expect((await readdir(join(at, 'segments'))).filter((file) => file.endsWith('.temporary'))).toEqual([])
  }
})

test('a damaged segment is found by the scrub, and by whoever reads it, not by opening', async () => {
  await prepare(true)
  const path = join(directory, 'segments', '0000000000000001.segment')
  const content = await readFile(path)
  content[40] = (content[40] ?? 0) ^ 1
  await writeFile(path, content)
  const store = await open()
  const report = await scrub(store.segments)
  expect(report.damage.map(({ reason }) => reason)).toEqual(['SEGMENT_DAMAGED'])
  expect(report.damage[0]?.message).toContain(path)
  expect(() => store.entries(1, 8, 1000)).toThrow('SEGMENT_DAMAGED')
})

test('a missing or shortened last segment is refused at open', async () => {
  await prepare(true)
  const copy = join(base, 'copy')
  await cp(directory, copy, { recursive: true })
  await truncate(join(directory, 'segments', '0000000000000009.segment'), 100)
  await expectRefused('SEGMENT_DAMAGED')
  await rm(join(copy, 'segments', '0000000000000001.segment'))
  expect(await expectRefused('SEGMENT_DAMAGED', copy)).toContain('0000000000000001.segment is missing')
})

test('a segment swapped for another one of the same place breaks the chain', async () => {
  await prepare(true)
  const other = join(base, 'other')
  const store = await open(other)
  await append(store, [...range(1, 7), entry(8, 1, 'forged'), ...range(9, 12)], { term: 1, vote: 1 })
  store.committed(12)
  await store.settled()
  await store.close()
  const name = '0000000000000001.segment'
  await cp(join(other, 'segments', name), join(directory, 'segments', name))
  const report = await scrub((await open()).segments)
  expect(report.damage.map(({ message }) => message)).toEqual([expect.stringContaining('does not follow')])
})

test('the chain is the same on two members that got the same entries in different batches', async () => {
  const chains: string[] = []
  for (const size of [1, 7]) {
    const store = await open(join(base, `member-${size}`))
    const entries = range(1, 24)
    for (let start = 0; start < entries.length; start += size) {
      await append(store, entries.slice(start, start + size), start === 0 ? { term: 1, vote: size } : null)
      store.committed(store.lastIndex())
    }
    await store.settled()
    const report = await scrub(store.segments)
    expect(report).toMatchObject({ segments: 3, entries: 24, damage: [] })
    chains.push(report.chain)
  }
  expect(chains[0]).toBe(chains[1])
  expect(chains[0]).toMatch(/^[0-9a-f]{64}$/)
})

test('a log is read offline and written into a fresh directory', async () => {
  const entries = await prepare(true)
  const read: Entry[] = []
  const reader = readLog(directory)
  let step = await reader.next()
  for (; step.done !== true; step = await reader.next()) read.push(...step.value)
  expect(step.value).toEqual({
    identity,
    hardState: { term: 2, vote: 3 },
    lastIndex: 20,
    sealedIndex: 16,
    blockEntries,
  })
  expect(expected(read)).toEqual(expected(entries))
  const target = join(base, 'restored')
  const restored = { clusterId: 'restored', memberId: 7 }
  const written = await writeLog(target, restored, read, blockEntries)
  expect(written).toEqual({
    identity: restored,
    hardState: { term: 2, vote: 0 },
    lastIndex: 20,
    sealedIndex: 16,
    blockEntries,
  })
  await expect(writeLog(target, restored, read, blockEntries)).rejects.toThrow('is not empty')
  const store = await LogStore.open(target, restored, () => undefined)
  opened.push(store)
  expect(contents(store)).toEqual(expected(entries))
})

test('a failed write stops the store: everything after it fails', async () => {
  const failures: StorageError[] = []
  const store = await LogStore.open(directory, identity, (error) => failures.push(error), blockEntries)
  opened.push(store)
  await append(store, range(1, 8), { term: 1, vote: 1 })
  await rm(join(directory, 'segments'), { recursive: true })
  await appendFile(join(directory, 'segments'), 'a file where the directory was')
  store.committed(8)
  await store.settled()
  expect(failures.map(({ reason }) => reason)).toEqual(['WRITE_FAILED'])
  expect(() =>
    store.append({ hardState: null, truncateFrom: 0, entries: range(9, 9) }, () => undefined),
  ).toThrow('WRITE_FAILED')
})
