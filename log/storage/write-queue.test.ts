import { join } from 'node:path'
import { expect, test, vi } from 'vitest'
import type { Disk, DiskFile } from './disk.ts'
import { encodeEntry, recordLength } from './entry.ts'
import type { StorageError } from './errors.ts'
import { fileDisk } from './file-disk.ts'
import { formatMarkFile, MarkFile } from './mark.ts'
import { MarkKeeper, realLater } from './mark-keeper.ts'
import { segmentsDirectory } from './paths.ts'
import { Segments } from './segments.ts'
import { entry, identity, TestStorage } from './test-storage.ts'
import { formatWal, Wal, walSeed } from './wal.ts'
import { openWal } from './wal-open.ts'
import { type QueuedChange, WriteQueue } from './write-queue.ts'

const storage = TestStorage.use()

interface Parts {
  readonly wal: Wal
  readonly mark: MarkFile
  readonly keeper: MarkKeeper
  readonly queue: WriteQueue
  readonly failures: StorageError[]
}

async function withParts(action: (parts: Parts) => Promise<void>, disk: Disk = fileDisk): Promise<void> {
  const directory = join(storage.directory, 'wal')
  const seed = walSeed(identity)
  const path = join(storage.directory, 'mark')
  await formatMarkFile(disk, path, await formatWal(disk, directory, seed))
  const mark = await MarkFile.open(disk, path)
  const segments = await Segments.open(disk, segmentsDirectory(storage.directory), 8)
  const sealed = { ...segments.end, lastIndex: 0 }
  const wal = await Wal.open(disk, directory, seed, await openWal(disk, directory, seed, sealed, mark.mark))
  const failures: StorageError[] = []
  const keeper: MarkKeeper = new MarkKeeper(mark, realLater, (error) => queue.fail(error))
  const queue = new WriteQueue(
    wal,
    keeper,
    async () => undefined,
    (error) => failures.push(error),
  )
  try {
    await action({ wal, mark, keeper, queue, failures })
  } finally {
    await queue.settled()
    await keeper.close()
    await wal.close()
  }
}

/** A change that puts one entry at `index`, in place of what is there and behind it. */
function change(index: number, done: () => void): QueuedChange {
  const records = Buffer.alloc(recordLength(entry(index)))
  encodeEntry(entry(index), crcOf(index - 1), records)
  const base = { baseIndex: index - 1, baseCrc: crcOf(index - 1) }
  return { hardState: null, becomesVoter: false, ...base, records, entries: 1, done }
}

function crcOf(index: number): number {
  if (index === 0) return 0
  return encodeEntry(entry(index), crcOf(index - 1), Buffer.alloc(recordLength(entry(index))))
}

async function push(queue: WriteQueue, index: number): Promise<void> {
  await new Promise<void>((done) => queue.push(change(index, done)))
}

test('done is called after the write; entries queued meanwhile share the next write; the mark follows', async () => {
  await withParts(async ({ wal, mark, keeper, queue }) => {
    const write = vi.spyOn(wal, 'append')
    const all = [1, 2, 3, 4, 5].map(
      (index) =>
        new Promise<void>((done) =>
          queue.push(
            change(index, () => {
              expect(wal.index.read(index)[0]?.entry.index).toBe(index)
              done()
            }),
          ),
        ),
    )
    await Promise.all(all)
    expect(write.mock.calls.length).toBeLessThanOrEqual(2)
    expect(mark.mark.sequence).toBe(1)
    await vi.waitFor(() =>
      expect(mark.mark).toMatchObject({ sequence: 1 + write.mock.calls.length, index: 5 }),
    )
    await keeper.settled()
  })
})

test('acknowledged entries are replaced in one write with what takes their place and what follows', async () => {
  await withParts(async ({ wal, queue }) => {
    for (const index of [1, 2, 3, 4]) await push(queue, index)
    const write = vi.spyOn(wal, 'append')
    await Promise.all([push(queue, 2), push(queue, 3)])
    expect(write.mock.calls.map(([{ baseIndex, entries }]) => [baseIndex, entries])).toEqual([[1, 2]])
    expect(() => wal.index.read(4)).toThrow('entry 4 is missing')
  })
})

test('a change that replaces entries of one queued before it goes into the next write', async () => {
  await withParts(async ({ wal, queue }) => {
    await push(queue, 1)
    const write = vi.spyOn(wal, 'append')
    await Promise.all([push(queue, 2), push(queue, 3), push(queue, 4), push(queue, 3), push(queue, 4)])
    const groups = write.mock.calls.map(([{ baseIndex, entries }]) => [baseIndex, entries])
    expect(groups).toEqual([
      [1, 3],
      [2, 2],
    ])
    expect(wal.index.read(4)[0]?.entry.index).toBe(4)
  })
})

/** The disk, whose files of one ending write a part only, or not at all, once `fails` says so. */
function failing(ending: string, fails: () => 'error' | 'short' | undefined): Disk {
  const open = async (path: string, mode: Parameters<Disk['open']>[1]): Promise<DiskFile> => {
    const file = await fileDisk.open(path, mode)
    if (mode !== 'durable' || !path.endsWith(ending)) return file
    return {
      read: (position, length) => file.read(position, length),
      sync: () => file.sync(),
      close: () => file.close(),
      async write(content, position) {
        const failure = fails()
        if (failure === 'short') await file.write(content.subarray(0, content.length / 2), position)
        if (failure !== undefined) throw new Error(failure)
        await file.write(content, position)
      },
    }
  }
  return { ...fileDisk, open }
}

test.each(['error', 'short'] as const)(
  'a failed write (%s) is final: nothing is done or written afterwards',
  async (kind) => {
    let failure: 'error' | 'short' | undefined
    let writes = 0
    const disk = failing('.wal', () => {
      writes += 1
      return failure
    })
    await withParts(async ({ wal, queue, failures }) => {
      await push(queue, 1)
      failure = kind
      const done: number[] = []
      queue.push(change(2, () => done.push(2)))
      queue.push(change(3, () => done.push(3)))
      await queue.settled()
      const before = writes
      queue.push(change(4, () => done.push(4)))
      await queue.settled()
      expect(writes).toBe(before)
      expect(done).toEqual([])
      expect(failures.map(({ reason, message }) => [reason, message])).toEqual([
        ['WRITE_FAILED', `WRITE_FAILED: ${kind}`],
      ])
      expect(() => wal.index.read(2)).toThrow('entry 2 is missing')
    }, disk)
  },
)

test('a failed write of the mark is final, too', async () => {
  let fails = false
  const disk = failing('mark', () => (fails ? 'error' : undefined))
  await withParts(async ({ queue, keeper, failures }) => {
    await push(queue, 1)
    await keeper.settled()
    fails = true
    await push(queue, 2)
    await keeper.settled()
    expect(failures.map(({ reason }) => reason)).toEqual(['WRITE_FAILED'])
    const done: number[] = []
    queue.push(change(3, () => done.push(3)))
    await queue.settled()
    expect(done).toEqual([])
  }, disk)
})

test('no change is left lying when it arrives just as the queue runs dry', async () => {
  await withParts(async ({ wal, queue }) => {
    const mark = { sequence: 1, link: 0, index: 0, hardState: { term: 0, vote: 0 } }
    vi.spyOn(wal, 'append').mockImplementation(async () => mark)
    let done = 0
    for (let microtasks = 0; microtasks < 24; microtasks += 1) {
      queue.push(change(2, () => (done += 1)))
      for (let count = 0; count < microtasks; count += 1) await Promise.resolve()
      queue.push(change(3, () => (done += 1)))
      await new Promise((resolve) => setImmediate(resolve))
      expect(done).toBe(2 * microtasks + 2)
    }
  })
})
