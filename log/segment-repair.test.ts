import { readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import type { Log } from './log.ts'
import { formatDirectory } from './storage/format.ts'
import { collect, eventually, leaderOf, propose, TestCluster } from './test-cluster.ts'

const names = Array.from({ length: 100 }, (_, position) => `entry ${position}`)
/** Often, so that damage is found by the scrub of a member that runs. */
const scrubIntervalMilliseconds = 100
let cluster: TestCluster

beforeEach(async () => {
  cluster = await TestCluster.create(3, 16)
})

afterEach(() => cluster.remove())

/** Three members that have sealed most of their entries, and were started again: nothing of that is in memory. The leader first. */
async function sealed(): Promise<[Log, Log, Log]> {
  const before = await cluster.openAll()
  await propose(await leaderOf(before), names)
  for (const log of before) await eventually('all entries', () => log.status().commitIndex > names.length)
  for (const log of before)
    while ((await segmentsOf(log)).length < 6) await new Promise((resolve) => setTimeout(resolve, 10))
  await Promise.all(before.map((log) => cluster.close(log)))
  const logs = await Promise.all([1, 2, 3].map((id) => cluster.open(id, { scrubIntervalMilliseconds })))
  const leader = await leaderOf(logs)
  return [leader, ...logs.filter((log) => log !== leader)] as [Log, Log, Log]
}

async function segmentsOf(log: Log): Promise<string[]> {
  const directory = join(cluster.optionsOf(log.status().memberId).directory, 'segments')
  const found = (await readdir(directory)).filter((name) => name.endsWith('.segment')).sort()
  return found.map((name) => join(directory, name))
}

async function flip(path: string | undefined, offset: number): Promise<void> {
  if (path === undefined) throw new Error('there is no such segment')
  const content = await readFile(path)
  const at = offset < 0 ? content.length + offset : offset
  content[at] = (content[at] ?? 0) ^ 0xff
  await writeFile(path, content)
}

function said(text: string): boolean {
  return cluster.warnings.some((warning) => warning.includes(text))
}

async function soundAgain(path: string | undefined): Promise<void> {
  await eventually(`${path} is sound again`, () => said(`${path} was damaged, and is sound again`))
}

async function readAll(log: Log): Promise<string[]> {
  const found: string[] = []
  for (let next = 1; next <= log.status().commitIndex; ) {
    const entries = await log.read(next, Number.MAX_SAFE_INTEGER, 1 << 20)
    for (const { kind, payload } of entries) if (kind === 'data') found.push(Buffer.from(payload).toString())
    next += entries.length
  }
  return found
}

test('a running follower repairs what the scrub finds, in frames, trailers and missing files alike, and says from whom', async () => {
  const [, follower] = await sealed()
  const paths = await segmentsOf(follower)
  await flip(paths[0], 5)
  await flip(paths[2], -10)
  await flip(paths[3], -10)
  await rm(paths[5] ?? '')
  for (const position of [0, 2, 3, 5]) await soundAgain(paths[position])
  expect(said('SEGMENT_DAMAGED')).toBe(true)
  expect(cluster.warnings.filter((text) => text.includes('sound again')).join()).toMatch(
    /member [123] had its block/,
  )
  expect(await readAll(follower)).toEqual(names)
  expect(cluster.failures).toEqual([])
})

test('a read of a leader waits for the repair, and the leader goes on', async () => {
  const [leader] = await sealed()
  const paths = await segmentsOf(leader)
  for (const path of paths) await flip(path, 5)
  expect(await readAll(leader)).toEqual(names)
  await propose(leader, ['one more'])
  const seen = collect(leader)
  await eventually('delivery', () => seen.at(-1) === 'one more')
  expect(cluster.failures).toEqual([])
})

test('a member whose sealed segment was damaged while it was down repairs it once it is back', async () => {
  const [, follower] = await sealed()
  const { memberId } = follower.status()
  const paths = await segmentsOf(follower)
  await cluster.close(follower)
  await flip(paths[1], 5)
  await flip(paths[5], 5)
  const back = await cluster.open(memberId)
  const seen = collect(back)
  await eventually('delivery', () => seen.filter((name) => name !== 'noop').length >= names.length)
  expect(seen.filter((name) => name !== 'noop')).toEqual(names)
  await soundAgain(paths[1])
  await soundAgain(paths[5])
  expect(back.status().standing).toBe('voter')
})

test('a member that catches up gets what its leader has damaged, once the leader has it from the third', async () => {
  const [leader, lost] = await sealed()
  const { directory, clusterId, memberId } = cluster.optionsOf(lost.status().memberId)
  await cluster.close(lost)
  await rm(directory, { recursive: true })
  for (const path of await segmentsOf(leader)) await flip(path, 5)
  await formatDirectory(directory, { clusterId, memberId }, { standing: 'recovering', blockEntries: 16 })
  const back = await cluster.open(memberId)
  await eventually('a vote', () => back.status().standing === 'voter')
  expect(await readAll(back)).toEqual(names)
  expect(cluster.failures).toEqual([])
})

test('with no sound copy anywhere nothing is made up: it is said, and reads are refused', async () => {
  const logs = await sealed()
  const paths = await Promise.all(logs.map(async (log) => (await segmentsOf(log))[1]))
  for (const path of paths) await flip(path, 5)
  await eventually('three that say so', () =>
    paths.every((path) => said(`${path} is damaged, and nobody had its block`)),
  )
  expect(said('DATA_LOSS')).toBe(true)
  expect(said('ultracloud member recover')).toBe(true)
  await expect(logs[0].read(17, 20, 1 << 20)).rejects.toMatchObject({ code: 'STORAGE' })
  expect((await logs[0].read(1, 16, 1 << 20)).length).toBe(16)
  await propose(await leaderOf(logs), ['they go on'])
  const path = paths[0] ?? ''
  await flip(path, 5)
  await eventually('all repaired from the one that was mended', () =>
    paths.slice(1).every((each) => said(`${each} was damaged, and is sound again`)),
  )
  expect(cluster.failures).toEqual([])
}, 60_000)

test('a member without others says what it found, and refuses the read', async () => {
  const alone = await TestCluster.create(1, 16)
  try {
    const log = await alone.open(1, { scrubIntervalMilliseconds })
    await leaderOf([log])
    await propose(log, names)
    await eventually('all entries', () => log.status().commitIndex > names.length)
    const directory = join(alone.optionsOf(1).directory, 'segments')
    while ((await readdir(directory)).length < 2) await new Promise((resolve) => setTimeout(resolve, 10))
    await alone.close(log)
    await flip(join(directory, '0000000000000001.segment'), 5)
    const again = await alone.open(1, { scrubIntervalMilliseconds })
    await eventually('a warning', () => alone.warnings.some((text) => text.includes('SEGMENT_DAMAGED')))
    expect(alone.warnings.join()).toContain('ultracloud backup restore')
    await expect(again.read(1, 5, 1 << 20)).rejects.toMatchObject({ reason: 'SEGMENT_DAMAGED' })
  } finally {
    await alone.remove()
  }
})
