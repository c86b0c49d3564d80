import { readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import type { Log } from './log.ts'
import { formatDirectory } from './storage/format.ts'
import { collect, eventually, leaderOf, propose, TestCluster } from './test-cluster.ts'

let cluster: TestCluster
const names = Array.from({ length: 150 }, (_, position) => `entry ${position}`)

beforeEach(async () => {
  cluster = await TestCluster.create(3, 16)
})

afterEach(() => cluster.remove())

async function flipByteOfLast(directory: string, ending: string): Promise<void> {
  const found = (await readdir(directory)).filter((name) => name.endsWith(ending)).sort()
  const path = join(directory, found.at(-1) ?? '')
  const content = await readFile(path)
  const used = content.findLastIndex((byte) => byte !== 0) + 1
  const middle = Math.floor(used / 2)
  content[middle] = (content[middle] ?? 0) ^ 0xff
  await writeFile(path, content)
}

/** A follower with a damaged file, while the others go on. */
async function damaged(folder: string, ending: string): Promise<Log> {
  const logs = await cluster.openAll()
  const leader = await leaderOf(logs)
  await propose(leader, names)
  const follower = logs.find((log) => log !== leader) as Log
  await eventually('sealed segments', () => follower.status().commitIndex >= names.length)
  const { directory } = cluster.optionsOf(follower.status().memberId)
  await cluster.close(follower)
  await flipByteOfLast(join(directory, folder), ending)
  return follower
}

/** What the operator is told to do. */
async function recover(member: number): Promise<Log> {
  const { directory, clusterId, memberId } = cluster.optionsOf(member)
  await rm(directory, { recursive: true })
  await formatDirectory(directory, { clusterId, memberId }, { standing: 'recovering', blockEntries: 16 })
  const back = await cluster.open(member)
  const seen = collect(back)
  await eventually('delivery', () => seen.filter((name) => name !== 'noop').length >= names.length)
  expect(seen.filter((name) => name !== 'noop')).toEqual(names)
  await eventually('a vote', () => back.status().standing === 'voter')
  return back
}

test('a damaged entry that was acknowledged: the member is refused, and is repaired from the others', async () => {
  const { memberId } = (await damaged('wal', '.wal')).status()
  const refused = await cluster.open(memberId).catch((error: unknown) => error)
  expect(refused).toMatchObject({ reason: expect.stringMatching(/TAIL_(DAMAGED|VANISHED)/) })
  expect(String(refused)).toContain('ultracloud member recover')
  await recover(memberId)
})

test('a damaged sealed segment: the scrub says so soon, no read is answered from it, and it is repaired from the others', async () => {
  const { memberId } = (await damaged('segments', '.segment')).status()
  const opened = await cluster.open(memberId).catch((error: unknown) => error)
  if (opened instanceof Error) expect(String(opened)).toContain('SEGMENT_DAMAGED')
  else {
    await eventually('the scrub', () => cluster.warnings.some((text) => text.includes('SEGMENT_DAMAGED')))
    await cluster.close(opened as Log)
  }
  await recover(memberId)
})
