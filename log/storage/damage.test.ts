import { cp, mkdir, readFile, rm, truncate, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, test, vi } from 'vitest'
import type { StorageError } from './errors.ts'
import { fileDisk } from './file-disk.ts'
import { formatDirectory } from './format.ts'
import { LogStore } from './store.ts'
import {
  append,
  blockEntries,
  contents,
  edit,
  entry,
  groupOffsets,
  identity,
  range,
  TestStorage,
  texts,
  walPath,
} from './test-storage.ts'
import { sectorBytes } from './wal-group.ts'

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

test('a directory of the time before the first release is refused, and is not formatted', async () => {
  await mkdir(join(storage.directory, 'log'), { recursive: true })
  await writeFile(join(storage.directory, 'log', 'CURRENT'), 'MANIFEST-000001\n')
  expect(await storage.refused('OLD_FORMAT')).toContain('ultracloud backup restore')
  await expect(formatDirectory(storage.directory, identity, { standing: 'founding' })).rejects.toThrow(
    'OLD_FORMAT',
  )
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

test('a flipped byte in any acknowledged group is noticed at open, also in the last', async () => {
  await storage.prepare(false)
  const path = walPath(storage.directory)
  const intact = await readFile(path)
  const offsets = await groupOffsets(path)
  expect(offsets.length).toBe(4)
  const end = offsets.at(-1) ?? 0
  for (let offset = 0; offset < end; offset += 61) {
    await edit(path, (content) => content.writeUInt8(content.readUInt8(offset) ^ 0x10, offset))
    expect(await storage.refused('TAIL_DAMAGED')).toContain('ultracloud member recover')
    await writeFile(path, intact)
  }
})

test('flipped bytes behind the last group are no entries: they are made zeros again, or refused', async () => {
  const entries = await storage.prepare(false)
  const path = walPath(storage.directory)
  const intact = await readFile(path)
  const end = (await groupOffsets(path)).at(-1) ?? 0
  await edit(path, (content) => content.writeUInt8(7, end + 5 * sectorBytes))
  const store = await storage.open()
  expect(contents(store)).toEqual(texts(entries))
  await store.close()
  expect(await readFile(path)).toEqual(intact)
  await edit(path, (content) => content.writeUInt8(7, end + 100))
  await storage.refused('TAIL_DAMAGED')
})

/** A log whose last group fills many sectors, closed; returns where that group begins and ends. */
async function prepareLarge(): Promise<{ start: number; end: number }> {
  const store = await storage.open()
  await append(store, range(1, 3), { term: 1, vote: 1 })
  await append(store, [entry(4, 1, 'x'.repeat(3000)), { ...entry(5), payload: Buffer.alloc(4000) }])
  await store.close()
  const [start = 0, end = 0] = (await groupOffsets(walPath(storage.directory))).slice(-2)
  expect(end - start).toBe(15 * sectorBytes)
  return { start, end }
}

/** The mark as it was before the last group: as long as the group may still be unacknowledged. */
async function withOldMark(arrange: () => Promise<void>): Promise<void> {
  const path = join(storage.directory, 'high-water-mark')
  await edit(path, (content) => {
    const newest = content.readUInt32BE(12) > content.readUInt32BE(4096 + 12) ? 0 : 4096
    content.fill(0, newest, newest + 64)
  })
  await arrange()
}

test('a group that a crash left unfinished is cut off, whichever sectors were not written', async () => {
  const { start, end } = await prepareLarge()
  const path = walPath(storage.directory)
  const intact = await readFile(path)
  const mark = await readFile(join(storage.directory, 'high-water-mark'))
  for (let sector = start; sector < end; sector += sectorBytes) {
    await writeFile(join(storage.directory, 'high-water-mark'), mark)
    await withOldMark(async () => {
      await writeFile(path, intact)
      await edit(path, (content) => content.fill(0, sector, sector + sectorBytes))
    })
    const store = await storage.open()
    expect(store.lastIndex(), `sector at ${sector - start}`).toBe(3)
    await append(store, range(4, 4, 2), { term: 2, vote: 2 })
    await store.close()
    const again = await storage.open()
    expect(contents(again)).toEqual(texts([...range(1, 3), entry(4, 2)]))
    await again.close()
  }
})

test('a sector of an acknowledged group that is gone is noticed, and so is a damaged one that no crash leaves', async () => {
  const { start } = await prepareLarge()
  const path = walPath(storage.directory)
  const intact = await readFile(path)
  const lose = (content: Buffer): Buffer => content.fill(0, start + 3 * sectorBytes, start + 4 * sectorBytes)
  await edit(path, lose)
  expect(await storage.refused('TAIL_DAMAGED')).toContain('parts of it are gone')
  // Payloads of zeros do not make a group look torn: all sectors of it were written, and one byte differs.
  await withOldMark(async () => {
    await writeFile(path, intact)
    await edit(path, (content) => content.writeUInt8(1, start + 11 * sectorBytes + 40))
  })
  await storage.refused('TAIL_DAMAGED')
})

test('a hole is noticed: what was written behind it is there', async () => {
  await storage.prepare(false)
  const [, second = 0] = await groupOffsets(walPath(storage.directory))
  await edit(walPath(storage.directory), (content) => content.fill(0, second, second + sectorBytes))
  expect(await storage.refused('TAIL_DAMAGED')).toContain('what was written after it is there')
})

test('a vanished tail, a vanished vote and an older copy of the file are noticed', async () => {
  const store = await storage.open()
  await append(store, range(1, 5), { term: 1, vote: 1 })
  await store.close()
  const path = walPath(storage.directory)
  const older = await readFile(path)
  const again = await storage.open()
  await append(again, [], { term: 2, vote: 3 })
  await again.close()
  const voted = await readFile(path)
  await writeFile(path, older)
  expect(await storage.refused('TAIL_VANISHED')).toContain('the term and vote of term 2')
  await writeFile(path, voted)
  const third = await storage.open()
  await append(third, range(6, 8, 2))
  await third.close()
  await writeFile(path, voted)
  expect(await storage.refused('TAIL_VANISHED')).toContain('entries 6 to 8 were acknowledged')
  await writeFile(path, Buffer.alloc(older.length))
  await storage.refused('TAIL_VANISHED')
  await rm(path)
  await storage.refused('TAIL_VANISHED')
})

test('groups of an older write that come back are noticed, though their own checksums hold', async () => {
  const store = await storage.open()
  await append(store, range(1, 5), { term: 1, vote: 1 })
  await store.close()
  const path = walPath(storage.directory)
  const start = (await groupOffsets(path)).at(-1) ?? 0
  const crashed = join(storage.base, 'crashed')
  await cp(storage.directory, crashed, { recursive: true })
  const lost = await storage.open(crashed)
  await append(lost, range(6, 7))
  await lost.close()
  const before = (await readFile(walPath(crashed))).subarray(start, start + sectorBytes)
  const again = await storage.open()
  await append(again, [entry(6, 2), entry(7, 2)], { term: 2, vote: 0 })
  await append(again, [entry(8, 2)])
  await again.close()
  const intact = await readFile(path)
  await edit(path, (content) => content.set(before, start))
  await storage.refused('TAIL_DAMAGED')
  await writeFile(path, intact)
  await edit(path, (content) => {
    content.set(before, start)
    content.fill(0, start + sectorBytes)
  })
  await storage.refused('TAIL_VANISHED')
})

test('a write-ahead file of another member, and one that is cut short, are refused', async () => {
  await storage.prepare(false)
  const other = join(storage.base, 'other')
  const stranger = { clusterId: identity.clusterId, memberId: 2 }
  await formatDirectory(other, stranger, { standing: 'founding' })
  const copy = join(storage.base, 'copy')
  await cp(storage.directory, copy, { recursive: true })
  await cp(walPath(other), walPath(storage.directory))
  await storage.refused('TAIL_DAMAGED')
  await truncate(walPath(copy), 600_000)
  expect(await storage.refused('TAIL_DAMAGED', copy)).toContain('is cut short')
})

test('a running member that finds damage has marked all that it acknowledged before it says so', async () => {
  await (await storage.open()).close()
  const failures: StorageError[] = []
  const never = () => () => undefined
  const ports = { disk: fileDisk, later: never }
  const store = await LogStore.open(storage.directory, identity, (error) => failures.push(error), ports)
  await append(store, range(1, blockEntries))
  const path = walPath(storage.directory)
  const [, start = 0, newest = 0] = await groupOffsets(path)
  const flip = (content: Buffer) => content.writeUInt8(content.readUInt8(start + 200) ^ 1, start + 200)
  await edit(path, flip)
  await append(store, range(blockEntries + 1, blockEntries + 2))
  store.committed(blockEntries)
  await vi.waitFor(() => expect(failures).toHaveLength(1))
  await store.marked()
  await edit(path, (content) => {
    flip(content)
    content.fill(0, newest)
  })
  await store.close()
  expect(await storage.refused('TAIL_VANISHED')).toContain('entries 9 to 10 were acknowledged')
})
