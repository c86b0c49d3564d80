import { cp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { StorageError } from './errors.ts'
import { formatDirectory } from './format.ts'
import { LogStore } from './store.ts'
import {
  append,
  contents,
  entry,
  identity,
  keyOf,
  range,
  TestStorage,
  texts,
  withDatabase,
} from './test-storage.ts'

const storage = TestStorage.use()

test('a directory of another member or cluster is refused, and so is a second opener', async () => {
  const store = await storage.open()
  await storage.refused('LOCKED')
  await store.close()
  for (const other of [
    { clusterId: 'test-cluster', memberId: 2 },
    { clusterId: 'another', memberId: 1 },
  ]) {
    await expect(LogStore.open(storage.directory, other, () => undefined)).rejects.toThrow(
      'IDENTITY_MISMATCH',
    )
  }
})

test('a log without its identity or its mark is refused', async () => {
  await storage.prepare(false)
  const copy = join(storage.base, 'copy')
  await cp(storage.directory, copy, { recursive: true })
  for (const name of ['identity.json', 'identity.copy.json']) await rm(join(storage.directory, name))
  await expect(LogStore.open(storage.directory, identity, () => undefined)).rejects.toThrow(
    'IDENTITY_DAMAGED',
  )
  await expect(formatDirectory(storage.directory, identity, { standing: 'recovering' })).rejects.toThrow(
    'IDENTITY_DAMAGED',
  )
  await rm(join(copy, 'high-water-mark'))
  await storage.refused('MARK_DAMAGED', copy)
})

test('a blank directory is refused: its disk may not be mounted', async () => {
  await expect(LogStore.open(storage.directory, identity, () => undefined)).rejects.toThrow('NOT_FORMATTED')
})

test('one damaged identity file is written anew from its copy, which is said', async () => {
  const entries = await storage.prepare(false)
  for (const name of ['identity.json', 'identity.copy.json']) {
    const path = join(storage.directory, name)
    const intact = await readFile(path, 'utf8')
    await writeFile(path, intact.replace('"blockEntries": 8', '"blockEntries": 9'))
    const store = await storage.open()
    expect(contents(store)).toEqual(texts(entries))
    expect(store.repairs).toEqual([expect.stringContaining(`${name} was damaged`)])
    await store.close()
    expect(await readFile(path, 'utf8')).toBe(intact)
  }
})

test('a torn write of the mark falls back to the other slot', async () => {
  const entries = await storage.prepare(false)
  const path = join(storage.directory, 'high-water-mark')
  const intact = await readFile(path)
  const newest = intact.readUInt32BE(12) > intact.readUInt32BE(4096 + 12) ? 0 : 4096
  const torn = Buffer.from(intact)
  torn.fill(0, newest + 20, newest + 48)
  await writeFile(path, torn)
  const store = await storage.open()
  expect(contents(store)).toEqual(texts(entries))
  await store.close()
  await writeFile(path, Buffer.alloc(8192))
  await storage.refused('MARK_DAMAGED')
})

test('a flipped byte in an acknowledged entry is noticed at open', async () => {
  await storage.prepare(false)
  await withDatabase(storage.directory, async (database) => {
    const record = await database.get(keyOf(7))
    if (record === undefined) throw new Error('entry 7 is not there')
    record[34] = (record[34] ?? 0) ^ 1
    await database.put(keyOf(7), record)
  })
  expect(await storage.refused('TAIL_DAMAGED')).toContain('entry 7 was acknowledged')
})

test('a hole, a vanished tail and a vanished vote are noticed at open', async () => {
  await storage.prepare(false)
  const copies = ['hole', 'tail', 'vote'].map((name) => join(storage.base, name))
  for (const copy of copies) await cp(storage.directory, copy, { recursive: true })
  const [hole = '', tail = '', vote = ''] = copies
  await withDatabase(hole, (database) => database.del(keyOf(9)))
  expect(await storage.refused('TAIL_DAMAGED', hole)).toContain('entries 9 to 9 are missing')
  await withDatabase(tail, async (database) => {
    for (const index of [18, 19, 20]) await database.del(keyOf(index))
  })
  expect(await storage.refused('TAIL_VANISHED', tail)).toContain('entries 18 to 20 were acknowledged')
  await withDatabase(vote, (database) => database.del(Buffer.from('h')))
  await storage.refused('TAIL_VANISHED', vote)
})

test('entries of an older write that come back are noticed, though their own checksums hold', async () => {
  const store = await storage.open()
  await append(store, range(1, 10), { term: 1, vote: 1 })
  await store.close()
  const before = new Map<number, Buffer>()
  await withDatabase(storage.directory, async (database) => {
    for (const index of [6, 7]) {
      const record = await database.get(keyOf(index))
      if (record !== undefined) before.set(index, record)
    }
  })
  const again = await storage.open()
  await append(again, [entry(6, 2), entry(7, 2), entry(8, 2)], { term: 2, vote: 0 }, 6)
  await again.close()
  await withDatabase(storage.directory, async (database) => {
    for (const [index, record] of before) await database.put(keyOf(index), record)
  })
  expect(await storage.refused('TAIL_DAMAGED')).toContain('does not follow')
})

test('what LevelDB drops silently from its own log is noticed', async () => {
  const store = await storage.open()
  for (let index = 1; index <= 40; index += 1) {
    await append(store, [entry(index, 1, 'x'.repeat(1000))], index === 1 ? { term: 1, vote: 1 } : null)
  }
  await store.close()
  const journal = (await readdir(join(storage.directory, 'log'))).find((name) => name.endsWith('.log'))
  const path = join(storage.directory, 'log', journal ?? '')
  const content = await readFile(path)
  content[content.length - 3000] = (content[content.length - 3000] ?? 0) ^ 0xff
  await writeFile(path, content)
  const outcome = await LogStore.open(storage.directory, identity, () => undefined).catch(
    (error: unknown) => error,
  )
  expect(outcome).toBeInstanceOf(StorageError)
  expect(String(outcome)).toMatch(/TAIL_VANISHED|TAIL_DAMAGED/)
})

test('damage behind the mark was never acknowledged and is cut off', async () => {
  const entries = await storage.prepare(false)
  await withDatabase(storage.directory, async (database) => {
    await database.put(keyOf(21), Buffer.from('torn'))
    await database.put(keyOf(23), Buffer.from('behind a hole'))
  })
  const store = await storage.open()
  expect(contents(store)).toEqual(texts(entries))
  await append(store, range(21, 24, 2))
  await store.close()
  expect((await storage.open()).lastIndex()).toBe(24)
})
