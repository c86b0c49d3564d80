import { readdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import type { Entry, Log, LogErrorCode } from './log.ts'
import { LogError } from './log.ts'
import { collect, eventually, leaderOf, leadershipOf, propose, TestCluster } from './test-cluster.ts'

let cluster: TestCluster
let log: Log

beforeEach(async () => {
  cluster = await TestCluster.create(1, 16)
  log = await cluster.open(1)
  await leaderOf([log])
})

afterEach(async () => {
  await cluster.remove()
})

function codeOf(action: () => unknown): LogErrorCode | undefined {
  try {
    action()
  } catch (error) {
    if (error instanceof LogError) return error.code
    throw error
  }
  return undefined
}

function names(from: number, to: number): string[] {
  return Array.from({ length: to - from + 1 }, (_, position) => `entry ${from + position}`)
}

test('what is proposed is committed, delivered, read and there after a restart', async () => {
  const seen = collect(log)
  await propose(log, names(1, 50))
  const barrier = await log.readIndex()
  expect(barrier).toBe(51)
  expect(seen).toEqual(['noop', ...names(1, 50)])
  const read = await log.read(2, 3, 1000)
  expect(read.map(({ index, kind, payload }) => [index, kind, Buffer.from(payload).toString()])).toEqual([
    [2, 'data', 'entry 1'],
    [3, 'data', 'entry 2'],
  ])
  expect(await log.read(52, 60, 1000)).toEqual([])
  expect(log.status()).toMatchObject({ role: 'leader', leader: 1, term: 1, lastIndex: 51, commitIndex: 51 })
  expect(log.status().sizeBytes).toBeGreaterThan(0)
  await cluster.close(log)

  const again = await cluster.open(1)
  const replayed = collect(again)
  await leaderOf([again])
  expect(again.status().term).toBe(2)
  expect(replayed).toEqual(['noop', ...names(1, 50), 'noop'])
  expect(cluster.failures).toEqual([])
})

test('proposals of one turn are committed together and in order', async () => {
  const seen = collect(log)
  await Promise.all(names(1, 500).map((name) => propose(log, [name])))
  expect(seen).toEqual(['noop', ...names(1, 500)])
})

test('a proposal that does not fit is refused at once and appends nothing', () => {
  const { term, lastIndex } = log.status()
  const payloads = [Buffer.from('x')]
  expect(codeOf(() => log.propose({ term: term + 1, firstIndex: lastIndex + 1, payloads }))).toBe('FENCED')
  expect(codeOf(() => log.propose({ term, firstIndex: lastIndex + 2, payloads }))).toBe('FENCED')
  expect(codeOf(() => log.propose({ term, firstIndex: lastIndex, payloads }))).toBe('FENCED')
  const large = [Buffer.alloc(10 * 1024 * 1024 + 1)]
  expect(codeOf(() => log.propose({ term, firstIndex: lastIndex + 1, payloads: large }))).toBe('TOO_LARGE')
  const many = Array.from({ length: 17 }, () => Buffer.alloc(1024 * 1024))
  expect(codeOf(() => log.propose({ term, firstIndex: lastIndex + 1, payloads: many }))).toBe('TOO_LARGE')
  expect(() => log.propose({ term, firstIndex: lastIndex + 1, payloads: [] })).toThrow(RangeError)
  expect(log.status().lastIndex).toBe(lastIndex)
})

test('more than the bound on uncommitted bytes is refused until some are committed', async () => {
  const block = Array.from({ length: 16 }, () => 'x'.repeat(1024 * 1024))
  const taken: Promise<void>[] = []
  const refused = codeOf(() => {
    for (let count = 0; count < 8; count += 1) taken.push(propose(log, block))
  })
  expect(refused).toBe('OVERLOADED')
  expect(taken.length).toBeGreaterThan(1)
  await Promise.all(taken)
  await propose(log, ['small again'])
})

test('a slow follower gets one delivery at a time, without a gap, and holds up nobody else', async () => {
  const quick = collect(log)
  const slow: number[] = []
  let deliveries = 0
  let release: () => void = () => undefined
  log.follow(1, async (entries: readonly Entry[]) => {
    deliveries += 1
    await new Promise<void>((resolve) => {
      release = resolve
    })
    slow.push(...entries.map(({ index }) => index))
  })
  await propose(log, names(1, 10))
  await propose(log, names(11, 20))
  expect(quick).toHaveLength(21)
  expect(deliveries).toBe(1)
  await eventually('the slow follower', () => {
    release()
    return slow.length === 21
  })
  expect(slow).toEqual(Array.from({ length: 21 }, (_, position) => position + 1))
})

test('a follower that ends gets nothing more', async () => {
  const seen: number[] = []
  const end = log.follow(1, (entries) => {
    seen.push(...entries.map(({ index }) => index))
  })
  await propose(log, ['one'])
  end()
  await propose(log, ['two'])
  expect(seen).toEqual([1, 2])
})

test('a follower that throws stops the member: it must not go on without it', async () => {
  log.follow(1, () => {
    throw new Error('cannot apply this')
  })
  await eventually('the failure', () => cluster.failures.length === 1)
  expect(cluster.failures[0]?.message).toBe('cannot apply this')
  expect(codeOf(() => propose(log, ['x']))).toBe('STORAGE')
  expect(leadershipOf(log)).toMatchObject({ leader: 0, ready: false })
})

test('leadership is ready only once synchronous followers have had the no-op', async () => {
  await propose(log, names(1, 3000))
  await cluster.close(log)
  const again = await cluster.open(1)
  let applied = 0
  again.follow(1, (entries) => {
    applied += entries.length
  })
  const appliedWhenReady: number[] = []
  again.leadership.subscribe(({ ready }) => {
    if (ready) appliedWhenReady.push(applied)
  })
  await leaderOf([again])
  expect(appliedWhenReady).toEqual([3002])
})

test('after closing everything is refused, and closing again does no harm', async () => {
  const under = propose(log, ['under way'])
  await cluster.close(log)
  await under
  await log.close()
  expect(codeOf(() => propose(log, ['x']))).toBe('CLOSED')
  expect(codeOf(() => log.follow(1, () => undefined))).toBe('CLOSED')
  await expect(log.readIndex()).rejects.toMatchObject({ code: 'CLOSED' })
  await expect(log.read(1, 1, 1)).rejects.toMatchObject({ code: 'CLOSED' })
})

test('the scrub finds a segment that rots while the member runs', async () => {
  await propose(log, names(1, 40))
  await cluster.close(log)
  const segments = join(cluster.optionsOf(1).directory, 'segments')
  const path = join(segments, (await readdir(segments)).sort()[0] ?? '')
  const content = await readFile(path)
  content[40] = (content[40] ?? 0) ^ 1
  await writeFile(path, content)
  const again = await cluster.open(1, { scrubIntervalMilliseconds: 20 })
  await eventually('the warning', () => cluster.warnings.some((text) => text.startsWith('SEGMENT_DAMAGED')))
  await cluster.close(again)
})

test('a directory that is in use or another member’s does not open', async () => {
  await expect(cluster.open(1)).rejects.toMatchObject({ code: 'STORAGE', reason: 'LOCKED' })
})
