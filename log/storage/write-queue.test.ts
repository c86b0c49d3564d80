import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, test, vi } from 'vitest'
import { encodeEntry, recordLength } from './entry.ts'
import type { StorageError } from './errors.ts'
import { formatMarkFile, MarkFile } from './mark.ts'
import { Tail } from './tail.ts'
import { entry, TestStorage } from './test-storage.ts'
import { type QueuedChange, WriteQueue } from './write-queue.ts'

const storage = TestStorage.use()

interface Parts {
  readonly tail: Tail
  readonly mark: MarkFile
  readonly queue: WriteQueue
  readonly failures: StorageError[]
}

async function withParts(action: (parts: Parts) => Promise<void>): Promise<void> {
  await mkdir(storage.directory)
  const path = join(storage.directory, 'mark')
  await formatMarkFile(path)
  const mark = await MarkFile.open(path)
  const tail = await Tail.open(join(storage.directory, 'log'))
  const failures: StorageError[] = []
  const queue = new WriteQueue(
    tail,
    mark,
    async () => undefined,
    (error) => failures.push(error),
  )
  try {
    await action({ tail, mark, queue, failures })
  } finally {
    await queue.settled()
    await mark.close()
    await tail.close()
  }
}

/** A change that puts one entry at `index`, in place of what was there when `truncate`. */
function change(index: number, truncate: boolean, done: () => void): QueuedChange {
  const added = entry(index)
  const record = Buffer.alloc(recordLength(added))
  const lastCrc = encodeEntry(added, 7, record)
  const truncateFrom = truncate ? index : 0
  const records = [{ index, record }]
  return {
    hardState: null,
    becomesVoter: false,
    truncateFrom,
    truncatedCrc: 7,
    records,
    lastIndex: index,
    lastCrc,
    done,
  }
}

async function push(queue: WriteQueue, index: number, truncate = false): Promise<void> {
  await new Promise<void>((done) => queue.push(change(index, truncate, done)))
}

test('done is called after the batch and the mark; entries queued meanwhile share the next batch', async () => {
  await withParts(async ({ tail, mark, queue }) => {
    const write = vi.spyOn(tail, 'write')
    const marked: number[] = []
    const all = [1, 2, 3, 4, 5].map(
      (index) =>
        new Promise<void>((done) =>
          queue.push(
            change(index, false, () => {
              marked.push(mark.mark.index)
              expect(tail.read(index).entry.index).toBe(index)
              done()
            }),
          ),
        ),
    )
    await Promise.all(all)
    expect(write.mock.calls.length).toBeLessThanOrEqual(2)
    expect(marked.map((index, position) => index >= position + 1)).toEqual([true, true, true, true, true])
  })
})

test('the mark is lowered before acknowledged entries are replaced, and raised after', async () => {
  await withParts(async ({ tail, mark, queue }) => {
    for (const index of [1, 2, 3, 4]) await push(queue, index)
    expect(mark.mark.index).toBe(4)
    const during: number[] = []
    const original = tail.write.bind(tail)
    vi.spyOn(tail, 'write').mockImplementation(async (batch) => {
      during.push(mark.mark.index)
      await original(batch)
    })
    await push(queue, 2, true)
    expect(during).toEqual([1])
    expect(mark.mark.index).toBe(2)
    expect(() => tail.read(3)).toThrow('entry 3 is missing')
  })
})

test.each(['batch', 'mark'])(
  'a failed sync of the %s is final: nothing is done or written afterwards',
  async (which) => {
    await withParts(async ({ tail, mark, queue, failures }) => {
      await push(queue, 1)
      const failing = async (): Promise<void> => {
        throw new Error('input/output error')
      }
      if (which === 'batch') vi.spyOn(tail, 'write').mockImplementation(failing)
      else vi.spyOn(mark, 'write').mockImplementation(failing)
      const done: number[] = []
      queue.push(change(2, false, () => done.push(2)))
      queue.push(change(3, false, () => done.push(3)))
      await queue.settled()
      queue.push(change(4, false, () => done.push(4)))
      await queue.settled()
      expect(done).toEqual([])
      expect(failures.map(({ reason, message }) => [reason, message])).toEqual([
        ['WRITE_FAILED', 'WRITE_FAILED: input/output error'],
      ])
      expect(() => tail.read(4)).toThrow('entry 4 is missing')
    })
  },
)

test('no change is left lying when it arrives just as the queue runs dry', async () => {
  await withParts(async ({ tail, mark, queue }) => {
    vi.spyOn(tail, 'write').mockImplementation(async () => undefined)
    vi.spyOn(mark, 'write').mockImplementation(async () => undefined)
    let done = 0
    for (let microtasks = 0; microtasks < 24; microtasks += 1) {
      queue.push(change(2 * microtasks + 1, false, () => (done += 1)))
      for (let count = 0; count < microtasks; count += 1) await Promise.resolve()
      queue.push(change(2 * microtasks + 2, false, () => (done += 1)))
      await new Promise((resolve) => setImmediate(resolve))
      expect(done).toBe(2 * microtasks + 2)
    }
  })
})
