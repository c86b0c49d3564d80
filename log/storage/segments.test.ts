import { cp, readdir, readFile, rm, truncate, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import type { Entry } from '../raft/types.ts'
import { readLog, writeLog } from './offline.ts'
import { scrub } from './scrub.ts'
import { LogStore } from './store.ts'
import { append, blockEntries, contents, entry, identity, range, TestStorage, texts } from './test-storage.ts'

const storage = TestStorage.use()

test('a crash at any point of sealing leaves a correct log', async () => {
  const entries = await storage.prepare(false)
  const sealedDirectory = join(storage.base, 'sealed')
  await storage.prepare(true, sealedDirectory)
  const name = (await readdir(join(sealedDirectory, 'segments'))).sort()[0] ?? ''
  const segment = await readFile(join(sealedDirectory, 'segments', name))
  const points: Record<string, (at: string) => Promise<void>> = {
    'nothing but a part of the temporary file': (at) =>
      writeFile(join(at, 'segments', `${name}.temporary`), segment.subarray(0, segment.length / 2)),
    'the temporary file is whole': (at) => writeFile(join(at, 'segments', `${name}.temporary`), segment),
    'the segment is there': (at) => writeFile(join(at, 'segments', name), segment),
  }
  for (const [point, arrange] of Object.entries(points)) {
    const at = join(storage.base, point)
    await cp(storage.directory, at, { recursive: true })
    await arrange(at)
    const store = await storage.open(at)
    expect(contents(store), point).toEqual(texts(entries))
    store.committed(20)
    await store.settled()
    expect(store.sealedIndex, point).toBe(16)
    expect((await scrub(store.segments)).damage, point).toEqual([])
    await store.close()
    const reopened = await storage.open(at)
    expect(contents(reopened), point).toEqual(texts(entries))
    expect((await readdir(join(at, 'segments'))).filter((file) => file.endsWith('.temporary'))).toEqual([])
  }
})

test('write-ahead files whose entries are all sealed are removed, and one that is missing in between is noticed', async () => {
  const store = await storage.open()
  const large = (index: number): Entry => ({ ...entry(index), payload: Buffer.alloc(600_000, index) })
  for (let index = 1; index <= 24; index += 1)
    await append(store, [large(index)], index === 1 ? { term: 1, vote: 1 } : null)
  const before = await walFiles()
  expect(before.length).toBeGreaterThan(3)
  expect(store.entries(2, 2, 0)[0]?.payload).toEqual(large(2).payload)
  const copy = join(storage.base, 'copy')
  await store.close()
  await cp(storage.directory, copy, { recursive: true })
  const again = await storage.open()
  again.committed(24)
  await again.settled()
  await again.close()
  expect((await walFiles()).length).toBeLessThan(before.length)
  const sealed = await storage.open()
  expect(contents(sealed)).toEqual(texts(Array.from({ length: 24 }, (_, position) => large(position + 1))))
  await rm(join(copy, 'wal', before[1] ?? ''))
  expect(await storage.refused('TAIL_DAMAGED', copy)).toContain(`${before[1]} is missing`)
})

async function walFiles(): Promise<string[]> {
  return (await readdir(join(storage.directory, 'wal'))).sort()
}

test('a damaged segment is found by the scrub, and by whoever reads it, not by opening', async () => {
  await storage.prepare(true)
  const path = join(storage.directory, 'segments', '0000000000000001.segment')
  const content = await readFile(path)
  content[40] = (content[40] ?? 0) ^ 1
  await writeFile(path, content)
  const store = await storage.open()
  const report = await scrub(store.segments)
  expect(report.damage.map(({ reason }) => reason)).toEqual(['SEGMENT_DAMAGED'])
  expect(report.damage[0]?.message).toContain(path)
  expect(() => store.entries(1, 8, 1000)).toThrow('SEGMENT_DAMAGED')
})

test('a missing or shortened last segment is refused at open', async () => {
  await storage.prepare(true)
  const copy = join(storage.base, 'copy')
  await cp(storage.directory, copy, { recursive: true })
  await truncate(join(storage.directory, 'segments', '0000000000000009.segment'), 100)
  await storage.refused('SEGMENT_DAMAGED')
  await rm(join(copy, 'segments', '0000000000000001.segment'))
  expect(await storage.refused('SEGMENT_DAMAGED', copy)).toContain('0000000000000001.segment is missing')
})

test('a segment swapped for another one of the same place breaks the chain', async () => {
  await storage.prepare(true)
  const other = join(storage.base, 'other')
  const store = await storage.open(other)
  await append(store, [...range(1, 7), entry(8, 1, 'forged'), ...range(9, 12)], { term: 1, vote: 1 })
  store.committed(12)
  await store.settled()
  await store.close()
  const name = '0000000000000001.segment'
  await cp(join(other, 'segments', name), join(storage.directory, 'segments', name))
  const report = await scrub((await storage.open()).segments)
  expect(report.damage.map(({ message }) => message)).toEqual([expect.stringContaining('does not follow')])
})

test('the chain is the same on two members that got the same entries in different batches', async () => {
  const chains: string[] = []
  for (const size of [1, 7]) {
    const store = await storage.open(join(storage.base, `member-${size}`))
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
  const entries = await storage.prepare(true)
  const read: Entry[] = []
  const reader = readLog(storage.directory)
  let step = await reader.next()
  for (; step.done !== true; step = await reader.next()) read.push(...step.value)
  expect(step.value).toEqual({
    identity,
    hardState: { term: 2, vote: 3 },
    lastIndex: 20,
    sealedIndex: 16,
    blockEntries,
  })
  expect(texts(read)).toEqual(texts(entries))
  const target = join(storage.base, 'restored')
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
  expect(contents(store)).toEqual(texts(entries))
})
