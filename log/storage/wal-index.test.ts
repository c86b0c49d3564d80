import { cp, readFile } from 'node:fs/promises'
import { expect, test } from 'vitest'
import { fileDisk } from './file-disk.ts'
import { openParts } from './open.ts'
import { append, edit, entry, groupOffsets, identity, range, TestStorage, walPath } from './test-storage.ts'
import { sectorBytes } from './wal-group.ts'

const storage = TestStorage.use()

test('a group that a crash took back and that comes back while the member runs is not read', async () => {
  const store = await storage.open()
  await append(store, range(1, 5), { term: 1, vote: 1 })
  await store.close()
  const path = walPath(storage.directory)
  const start = (await groupOffsets(path)).at(-1) ?? 0
  const copy = `${storage.directory}-copy`
  await cp(storage.directory, copy, { recursive: true })
  const lost = await storage.open(copy)
  await append(lost, [entry(6, 1, 'taken back')])
  await lost.close()
  const older = (await readFile(walPath(copy))).subarray(start, start + sectorBytes)
  const again = await storage.open()
  await append(again, [entry(6, 1, 'written')])
  await again.close()

  const { content, wal, mark, unlock } = await openParts(fileDisk, storage.directory, identity)
  try {
    await edit(path, (bytes) => bytes.set(older, start))
    expect(() => content.index.read(6)).toThrow('another group')
    await expect(content.index.records(1, 6).next()).rejects.toThrow('another group')
  } finally {
    await wal.close()
    await mark.close()
    unlock()
  }
})
