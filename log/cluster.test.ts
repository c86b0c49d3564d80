import { afterEach, beforeEach, expect, test } from 'vitest'
import type { Log } from './log.ts'
import { readLog } from './storage/offline.ts'
import { scrub } from './storage/scrub.ts'
import { LogStore } from './storage/store.ts'
import {
  collect,
  electionTimeoutMilliseconds,
  eventually,
  leaderOf,
  leadershipOf,
  propose,
  TestCluster,
} from './test-cluster.ts'

let cluster: TestCluster

beforeEach(async () => {
  cluster = await TestCluster.create(3, 32)
})

afterEach(async () => {
  await cluster.remove()
  expect(cluster.failures).toEqual([])
})

function names(from: number, to: number): string[] {
  return Array.from({ length: to - from + 1 }, (_, position) => `entry ${from + position}`)
}

async function caughtUp(log: Log, index: number): Promise<void> {
  await eventually(`commit of ${index}`, () => log.status().commitIndex >= index)
}

test('three members elect one leader, and every one delivers the same', async () => {
  const logs = await cluster.openAll()
  const collected = logs.map((log) => collect(log))
  const leader = await leaderOf(logs)
  await propose(leader, names(1, 100))
  await Promise.all(logs.map((log) => caughtUp(log, leader.status().lastIndex)))
  await eventually('delivery', () => collected.every(({ length }) => length >= 101))
  for (const seen of collected) expect(seen.slice(-100)).toEqual(names(1, 100))
  expect(await leader.readIndex()).toBe(leader.status().commitIndex)
  for (const log of logs) {
    expect(log.status()).toMatchObject({ term: leader.status().term, leader: leader.status().memberId })
    if (log === leader) continue
    expect(() => propose(log, ['x'])).toThrow(expect.objectContaining({ code: 'NOT_LEADER' }))
    await expect(log.readIndex()).rejects.toMatchObject({ code: 'NOT_LEADER' })
    expect(leadershipOf(log).ready).toBe(false)
  }
})

test('when the leader closes the others go on at once, and it catches up when it comes back', async () => {
  const logs = await cluster.openAll()
  const leader = await leaderOf(logs)
  await propose(leader, names(1, 40))
  const others = logs.filter((log) => log !== leader)
  const began = performance.now()
  const closing = cluster.close(leader)
  const next = await leaderOf(others)
  expect(performance.now() - began).toBeLessThan(2 * 2 * electionTimeoutMilliseconds)
  await closing
  await propose(next, names(41, 80))
  const back = await cluster.open(leader.status().memberId)
  const seen = collect(back)
  await caughtUp(back, next.status().lastIndex)
  await eventually('delivery', () => seen.filter((name) => name !== 'noop').length === 80)
  expect(seen.filter((name) => name !== 'noop')).toEqual(names(1, 80))
})

test('a leader that resigns goes on as a follower, and what was under way is committed', async () => {
  const logs = await cluster.openAll()
  const leader = await leaderOf(logs)
  await propose(leader, names(1, 10))
  const under = propose(leader, names(11, 40))
  await leader.resign()
  await under
  const next = await leaderOf(logs.filter((log) => log !== leader))
  expect(leader.status()).toMatchObject({
    role: 'follower',
    leader: next.status().memberId,
    transferee: 0,
    term: next.status().term,
  })
  await leader.resign()
  await propose(next, names(41, 50))
  const seen = collect(leader)
  await eventually('delivery', () => seen.filter((name) => name !== 'noop').length === 50)
  expect(seen.filter((name) => name !== 'noop')).toEqual(names(1, 50))
})

test('with nobody to hand over to, resigning takes no longer than an election timeout', async () => {
  const logs = await cluster.openAll()
  const leader = await leaderOf(logs)
  for (const log of logs) if (log !== leader) await cluster.close(log)
  const began = performance.now()
  await leader.resign()
  expect(performance.now() - began).toBeLessThan(3 * electionTimeoutMilliseconds)
})

test('a member that was away catches up from sealed segments; the hash chain is equal everywhere', async () => {
  const logs = await cluster.openAll()
  const leader = await leaderOf(logs)
  const away = logs.find((log) => log !== leader)
  if (away === undefined) throw new Error('there is no follower')
  await cluster.close(away)
  for (let count = 0; count < 20; count += 1) {
    await propose(leader, names(count * 50 + 1, count * 50 + 50))
  }
  const back = await cluster.open(away.status().memberId)
  const seen = collect(back)
  await eventually('delivery', () => seen.filter((name) => name !== 'noop').length === 1000)
  expect(seen.filter((name) => name !== 'noop')).toEqual(names(1, 1000))
  const end = leader.status().lastIndex
  const running = [...logs.filter((log) => log !== away), back]
  await Promise.all(running.map((log) => caughtUp(log, end)))
  for (const log of running) await cluster.close(log)

  const chains: string[] = []
  for (const { directory, clusterId, memberId } of cluster.options) {
    const store = await LogStore.open(directory, { clusterId, memberId }, () => undefined)
    store.committed(end)
    await store.settled()
    const report = await scrub(store.segments)
    expect(report.damage).toEqual([])
    expect(report.segments).toBe(Math.floor(end / 32))
    chains.push(report.chain)
    await store.close()
    const counted = await countEntries(directory)
    expect(counted).toBeGreaterThanOrEqual(end)
  }
  expect(new Set(chains).size).toBe(1)
})

async function countEntries(directory: string): Promise<number> {
  let count = 0
  for await (const entries of readLog(directory)) count += entries.length
  return count
}

test('without a quorum nothing commits: the leader steps down, and the outcome is unknown', async () => {
  const logs = await cluster.openAll()
  const leader = await leaderOf(logs)
  await propose(leader, ['committed'])
  const others = logs.filter((log) => log !== leader)
  await Promise.all(others.map((log) => cluster.close(log)))
  const left = leader.status()
  if (left.role === 'leader') {
    const lost = propose(leader, ['never'])
    await expect(lost).rejects.toMatchObject({ code: 'OUTCOME_UNKNOWN' })
  }
  await eventually('stepping down', () => leader.status().role !== 'leader')
  await expect(leader.readIndex()).rejects.toMatchObject({ code: 'NOT_LEADER' })
  expect(leader.status().commitIndex).toBe(left.commitIndex)
})
