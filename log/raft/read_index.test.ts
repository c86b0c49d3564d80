import { describe, expect, test } from 'vitest'
import { ReadRounds } from './read_index.ts'
import { Cluster, electionTicks } from './transcripts/cluster.ts'

describe('ReadIndex', () => {
  test('notes the commit index, and finishes after a quorum round', () => {
    const cluster = new Cluster(3)
    cluster.elect(1)
    cluster.propose(1, 'a')
    cluster.stabilize()
    const tag = cluster.readIndex(1)
    expect(cluster.member(1).effects.flatMap((effects) => effects.reads)).toEqual([])
    cluster.stabilize()
    expect(cluster.member(1).effects.flatMap((effects) => effects.reads)).toEqual([{ tag, index: 2 }])
  })

  test('waits for the commit of the own term', () => {
    const cluster = new Cluster(3)
    cluster.elect(1)
    cluster.crash(1)
    cluster.tick(3, electionTicks)
    cluster.campaign(2)
    while (cluster.raft(2).status().role !== 'leader') {
      const message = cluster.inTransit.shift()
      if (message !== undefined) cluster.deliver(message)
    }
    cluster.cut(3, 2)
    const tag = cluster.readIndex(2)
    cluster.stabilize()
    expect(cluster.member(2).effects.flatMap((effects) => effects.reads)).toEqual([])
    cluster.heal()
    for (let tick = 0; tick < 8; tick += 1) {
      cluster.tick(2)
      cluster.stabilize()
    }
    expect(cluster.member(2).effects.flatMap((effects) => effects.reads)).toEqual([{ tag, index: 2 }])
  })

  test('many reads share a round; one that comes after it was sent gets the next', () => {
    const cluster = new Cluster(3)
    cluster.elect(1)
    const raft = cluster.raft(1)
    expect(raft.readIndex()).toBe(1)
    expect(raft.readIndex()).toBe(1)
    cluster.work(1)
    expect(raft.readIndex()).toBe(2)
    cluster.work(1)
    cluster.stabilize()
    const finished = cluster.member(1).effects.flatMap((effects) => effects.reads)
    expect(finished.map(({ tag }) => tag)).toEqual([1, 2])
  })

  test('fails when leadership is lost, and a retry takes a new tag', () => {
    const cluster = new Cluster(3)
    cluster.elect(1)
    cluster.isolate(1)
    expect(cluster.readIndex(1)).toBe(1)
    cluster.tick(1, 2 * electionTicks)
    expect(cluster.member(1).effects.flatMap((effects) => effects.failedReads)).toEqual([1])
    expect(cluster.readIndex(1)).toBe('not_leader')
    cluster.inTransit.length = 0
    cluster.heal()
    cluster.elect(1)
    expect(cluster.readIndex(1)).toBe(2)
  })

  test('is refused by a follower', () => {
    const cluster = new Cluster(3)
    cluster.elect(1)
    expect(cluster.readIndex(2)).toBe('not_leader')
  })

  test('a deposed leader that does not know it yet answers nothing', () => {
    const cluster = new Cluster(3)
    cluster.elect(1)
    cluster.isolate(1)
    cluster.elect(2)
    cluster.readIndex(1)
    cluster.stabilize()
    expect(cluster.member(1).effects.flatMap((effects) => effects.reads)).toEqual([])
  })

  test('a member alone needs no round', () => {
    const cluster = new Cluster(1)
    cluster.tick(1)
    const tag = cluster.readIndex(1)
    expect(cluster.member(1).effects.flatMap((effects) => effects.reads)).toEqual([{ tag, index: 1 }])
  })
})

describe('rounds', () => {
  test('confirming one confirms all before it', () => {
    const rounds = new ReadRounds(1, 2, 8)
    for (const index of [5, 6, 7]) {
      rounds.join()
      expect(rounds.start(index)).toEqual([])
    }
    expect(rounds.confirm(2, 2)).toEqual([
      { tag: 1, index: 5 },
      { tag: 2, index: 6 },
    ])
    expect(rounds.confirm(2, 2)).toEqual([])
    expect(rounds.confirm(3, 3)).toEqual([{ tag: 3, index: 7 }])
  })

  test('an answer to an older round confirms no newer one, and one member counts once', () => {
    const rounds = new ReadRounds(1, 3, 8)
    rounds.join()
    rounds.start(5)
    expect(rounds.confirm(2, 0)).toEqual([])
    expect(rounds.confirm(2, 1)).toEqual([])
    expect(rounds.confirm(2, 1)).toEqual([])
    expect(rounds.confirm(3, 1)).toEqual([{ tag: 1, index: 5 }])
  })

  test('are bounded: further reads share the one that waits', () => {
    const rounds = new ReadRounds(1, 2, 1)
    expect(rounds.join()).toBe(1)
    rounds.start(5)
    expect(rounds.join()).toBe(2)
    expect(rounds.canStart).toBe(false)
    expect(rounds.join()).toBe(2)
    rounds.confirm(2, 1)
    expect(rounds.canStart).toBe(true)
  })

  test('all fail together, the waiting one too', () => {
    const rounds = new ReadRounds(1, 2, 8)
    rounds.join()
    rounds.start(5)
    rounds.join()
    expect(rounds.failAll()).toEqual([1, 2])
    expect(rounds.join()).toBe(3)
  })
})
