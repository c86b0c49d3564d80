import { describe, expect, test } from 'vitest'
import type { RaftConfig } from './config.ts'
import { checkConfig, defaultLimits } from './config.ts'
import { Cluster } from './transcripts/cluster.ts'

function lead(limits: Partial<typeof defaultLimits>): Cluster {
  const cluster = new Cluster(3, limits)
  cluster.elect(1)
  return cluster
}

describe('Backpressure', () => {
  test('bounds the entries that are not committed', () => {
    const cluster = lead({ maxUncommittedEntries: 2 })
    expect(cluster.propose(1, 'a', 'b', 'c')).toBe('overloaded')
    expect(cluster.propose(1, 'a', 'b')).toBe('accepted')
    expect(cluster.propose(1, 'c')).toBe('overloaded')
    expect(cluster.raft(1).status().lastIndex).toBe(3)
    cluster.stabilize()
    expect(cluster.propose(1, 'c')).toBe('accepted')
  })

  test('bounds their bytes; a larger proposal is taken when nothing else is under way', () => {
    const cluster = lead({ maxUncommittedBytes: 4 })
    expect(cluster.propose(1, 'much larger')).toBe('accepted')
    expect(cluster.propose(1, 'a')).toBe('overloaded')
    cluster.stabilize()
    expect(cluster.propose(1, 'abc')).toBe('accepted')
    expect(cluster.propose(1, 'de')).toBe('overloaded')
    expect(cluster.propose(1, 'd')).toBe('accepted')
  })

  test('bounds the gap between commit and apply', () => {
    const cluster = lead({ maxApplyGap: 3 })
    cluster.holdDisk(1)
    for (const text of ['a', 'b', 'c', 'd']) {
      expect(cluster.propose(1, text)).toBe('accepted')
      cluster.stabilize()
    }
    expect(cluster.raft(1).status()).toMatchObject({ commitIndex: 5, appliedIndex: 1 })
    expect(cluster.propose(1, 'e')).toBe('overloaded')
    cluster.releaseDisk(1)
    expect(cluster.propose(1, 'e')).toBe('accepted')
  })
})

describe('the fence of a proposal', () => {
  const payloads = [new Uint8Array(1)]

  test('refuses another term and another index, and appends nothing', () => {
    const cluster = lead({})
    const raft = cluster.raft(1)
    expect(raft.propose(2, 2, payloads)).toBe('fenced')
    expect(raft.propose(1, 1, payloads)).toBe('fenced')
    expect(raft.propose(1, 3, payloads)).toBe('fenced')
    expect(raft.status().lastIndex).toBe(1)
    expect(raft.propose(1, 2, payloads)).toBe('accepted')
  })

  test('a follower takes none', () => {
    expect(lead({}).raft(2).propose(1, 2, payloads)).toBe('not_leader')
  })
})

describe('the configuration', () => {
  const good: RaftConfig = {
    id: 1,
    members: [1, 2, 3],
    electionTicks: 10,
    heartbeatTicks: 2,
    random: () => 0,
  }

  test('has documented bounds by default', () => {
    expect(checkConfig(good)).toEqual(defaultLimits)
    expect(checkConfig({ ...good, limits: { maxApplyGap: 7 } })).toEqual({ ...defaultLimits, maxApplyGap: 7 })
  })

  test.each([
    [{ members: [1, 2] }, '1, 3 or 5'],
    [{ members: [1, 1, 2] }, 'unique'],
    [{ members: [1, 2, 0] }, 'positive integer'],
    [{ id: 4 }, 'not among'],
    [{ heartbeatTicks: 0 }, 'heartbeatTicks'],
    [{ electionTicks: 3 }, 'electionTicks'],
    [{ limits: { maxReadRounds: 0 } }, 'maxReadRounds'],
  ] as const)('refuses %j', (change, complaint) => {
    expect(() => checkConfig({ ...good, ...change })).toThrow(complaint)
  })
})
