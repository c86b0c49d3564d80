import { describe, expect, test } from 'vitest'
import { ElectionTimer, quorumOf, Tally } from './election.ts'
import { Cluster, electionTicks } from './transcripts/cluster.ts'

describe('PreVote', () => {
  test('never changes a term: a member that nobody hears stays in its own', () => {
    const cluster = new Cluster(3)
    cluster.elect(1)
    cluster.isolate(3)
    cluster.tick(3, 20 * electionTicks)
    expect(cluster.raft(3).status()).toMatchObject({ role: 'pre-candidate', term: 1 })
    expect(cluster.member(3).disk.hardState.term).toBe(1)
  })

  test('so the member comes back without deposing the leader', () => {
    const cluster = new Cluster(3)
    cluster.elect(1)
    cluster.isolate(3)
    cluster.tick(3, 5 * electionTicks)
    cluster.inTransit.length = 0
    cluster.heal()
    cluster.tick(1, 2)
    cluster.stabilize()
    expect(cluster.raft(1).status()).toMatchObject({ role: 'leader', term: 1 })
    expect(cluster.raft(3).status()).toMatchObject({ role: 'follower', leader: 1, term: 1 })
  })

  test("a granted answer carries the term asked for, a refusal the voter's own", () => {
    const cluster = new Cluster(3)
    cluster.elect(1)
    const request = {
      type: 'vote_request',
      from: 2,
      to: 3,
      term: 2,
      preVote: true,
      transfer: false,
      lastTerm: 1,
    } as const
    cluster.tick(3, electionTicks)
    cluster.inTransit.length = 0
    cluster.deliver({ ...request, lastIndex: 1 })
    cluster.deliver({ ...request, lastIndex: 0 })
    expect(cluster.inTransit).toMatchObject([
      { to: 2, term: 2, granted: true },
      { to: 2, term: 1, granted: false },
    ])
  })

  test('of two that ask at once the lower one yields, so that they do not split the votes', () => {
    const cluster = new Cluster(3)
    cluster.crash(1)
    cluster.campaign(2)
    cluster.campaign(3)
    cluster.stabilize()
    expect(cluster.raft(3).status().role).toBe('leader')
    expect(cluster.raft(3).status().term).toBe(1)
  })
})

describe('CheckQuorum and vote lease: the lease', () => {
  const request = {
    type: 'vote_request',
    from: 3,
    to: 2,
    term: 9,
    preVote: false,
    transfer: false,
    lastIndex: 99,
    lastTerm: 8,
  } as const

  test('a follower that hears a leader ignores votes', () => {
    const cluster = new Cluster(3)
    cluster.elect(1)
    cluster.deliver(request)
    expect(cluster.raft(2).status()).toMatchObject({ term: 1, leader: 1 })
    expect(cluster.inTransit).toEqual([])
  })

  test('and votes once it has not heard one for the shortest timeout', () => {
    const cluster = new Cluster(3)
    cluster.elect(1)
    cluster.tick(2, electionTicks)
    cluster.deliver(request)
    expect(cluster.member(2).disk.hardState).toEqual({ term: 9, vote: 3 })
  })

  test('a leader ignores votes, too', () => {
    const cluster = new Cluster(3)
    cluster.elect(1)
    cluster.deliver({ ...request, to: 1 })
    expect(cluster.raft(1).status()).toMatchObject({ role: 'leader', term: 1 })
  })
})

describe('CheckQuorum and vote lease: the leader', () => {
  test('a leader that hears no quorum for an election timeout steps down', () => {
    const cluster = new Cluster(3)
    cluster.elect(1)
    cluster.isolate(1)
    cluster.tick(1, 2 * electionTicks)
    cluster.stabilize()
    expect(cluster.raft(1).status()).toMatchObject({ role: 'follower', leader: 0, term: 1 })
  })

  test('one peer of two is quorum enough', () => {
    const cluster = new Cluster(3)
    cluster.elect(1)
    cluster.crash(3)
    for (let tick = 0; tick < 5 * electionTicks; tick += 1) {
      cluster.tick(1)
      cluster.stabilize()
    }
    expect(cluster.raft(1).status().role).toBe('leader')
  })
})

describe('CheckQuorum and vote lease: a stale term', () => {
  test('an old leader is told the new term and steps down', () => {
    const cluster = new Cluster(3)
    cluster.elect(1)
    cluster.isolate(1)
    cluster.elect(2)
    cluster.inTransit.length = 0
    cluster.heal()
    cluster.tick(1, 2)
    cluster.stabilize()
    expect(cluster.raft(1).status()).toMatchObject({ role: 'follower', term: 2 })
  })

  test('a member stuck in a higher term frees itself by its answer to the leader', () => {
    const cluster = new Cluster(3)
    cluster.elect(1)
    cluster.member(3).disk.hardState = { term: 7, vote: 0 }
    cluster.crash(3)
    cluster.restart(3)
    cluster.tick(1, 2)
    cluster.stabilize()
    expect(cluster.raft(1).status()).toMatchObject({ role: 'follower', term: 7 })
    cluster.elect(1)
    expect(cluster.raft(3).status()).toMatchObject({ leader: 1, term: 8 })
  })

  test('the answer speaks of no index and no read, since its receiver may lead the present term', () => {
    const cluster = new Cluster(3)
    cluster.elect(1)
    cluster.raft(1).readIndex()
    cluster.work(1)
    const old = cluster.inTransit.find(
      (message) => message.type === 'append_request' && message.readTag === 1,
    )
    expect(old).toBeDefined()
    cluster.inTransit.length = 0
    cluster.tick(1, 2 * electionTicks)
    cluster.inTransit.length = 0
    cluster.elect(1)
    expect(cluster.raft(1).status().term).toBe(2)
    if (old !== undefined) cluster.deliver(old)
    expect(cluster.inTransit).toMatchObject([{ term: 2, success: false, index: 0, readTag: 0 }])
  })
})

describe('votes', () => {
  const request = {
    type: 'vote_request',
    to: 1,
    preVote: false,
    transfer: false,
    lastIndex: 0,
    lastTerm: 0,
  } as const

  test('one a term, and the same again to the same member', () => {
    const cluster = new Cluster(3)
    cluster.deliver({ ...request, from: 2, term: 1 })
    cluster.deliver({ ...request, from: 3, term: 1 })
    cluster.deliver({ ...request, from: 2, term: 1 })
    expect(cluster.inTransit).toMatchObject([
      { to: 2, granted: true },
      { to: 3, granted: false },
      { to: 2, granted: true },
    ])
  })

  test('a vote is told only once it is durable', () => {
    const cluster = new Cluster(3)
    cluster.holdDisk(1)
    cluster.deliver({ ...request, from: 2, term: 1 })
    expect(cluster.inTransit).toEqual([])
    cluster.releaseDisk(1)
    expect(cluster.member(1).disk.hardState).toEqual({ term: 1, vote: 2 })
    expect(cluster.inTransit).toMatchObject([{ to: 2, granted: true }])
  })

  test('a vote survives a crash', () => {
    const cluster = new Cluster(3)
    cluster.deliver({ ...request, from: 2, term: 1 })
    cluster.crash(1)
    cluster.restart(1)
    cluster.inTransit.length = 0
    cluster.deliver({ ...request, from: 3, term: 1 })
    expect(cluster.inTransit).toMatchObject([{ to: 3, granted: false }])
  })

  test('a candidate asks only once its own term is durable', () => {
    const cluster = new Cluster(3)
    cluster.holdDisk(1)
    cluster.campaign(1)
    cluster.stabilize()
    expect(cluster.raft(1).status()).toMatchObject({ role: 'candidate', term: 1 })
    expect(cluster.raft(2).status().term).toBe(0)
    cluster.releaseDisk(1)
    cluster.stabilize()
    expect(cluster.raft(1).status().role).toBe('leader')
  })

  test('a slow disk does not pile up terms', () => {
    const cluster = new Cluster(3)
    cluster.holdDisk(1)
    cluster.campaign(1)
    cluster.stabilize()
    cluster.tick(1, 20 * electionTicks)
    expect(cluster.raft(1).status()).toMatchObject({ role: 'candidate', term: 1 })
  })

  test('none for a candidate with an older log', () => {
    const cluster = new Cluster(3)
    cluster.elect(1)
    cluster.isolate(3)
    cluster.propose(1, 'a')
    cluster.stabilize()
    cluster.heal()
    cluster.crash(1)
    cluster.tick(2, electionTicks)
    cluster.campaign(3)
    cluster.stabilize()
    expect(cluster.raft(3).status()).toMatchObject({ role: 'pre-candidate', term: 1 })
    expect(cluster.member(2).disk.hardState).toEqual({ term: 1, vote: 1 })
  })

  test('a refusal gives way to a vote, and a vote to nothing', () => {
    const tally = new Tally(3)
    tally.record(1, false)
    tally.record(1, true)
    tally.record(1, false)
    expect(tally.result).toBe('open')
    tally.record(2, true)
    expect(tally.result).toBe('won')
  })

  test('lost once a majority has refused', () => {
    const tally = new Tally(5)
    for (const member of [1, 2]) tally.record(member, false)
    expect(tally.result).toBe('open')
    tally.record(3, false)
    expect(tally.result).toBe('lost')
  })

  test.each([
    [1, 1],
    [3, 2],
    [5, 3],
  ])('of %i members %i are a quorum', (members, quorum) => {
    expect(quorumOf(members)).toBe(quorum)
  })
})

describe('a member alone', () => {
  test('leads at its first tick, and commits only what is durable', () => {
    const cluster = new Cluster(1)
    cluster.holdDisk(1)
    cluster.tick(1)
    expect(cluster.raft(1).status().role).toBe('candidate')
    cluster.releaseDisk(1)
    expect(cluster.raft(1).status()).toMatchObject({ role: 'leader', term: 1, commitIndex: 1 })
    cluster.holdDisk(1)
    expect(cluster.propose(1, 'a')).toBe('accepted')
    expect(cluster.raft(1).status()).toMatchObject({ lastIndex: 2, commitIndex: 1 })
    cluster.releaseDisk(1)
    expect(cluster.raft(1).status().commitIndex).toBe(2)
  })
})

describe('the election timer', () => {
  test.each([
    [0, 10],
    [0.5, 15],
    [0.999, 19],
  ])('with %d it runs for %i of 10 to 20 ticks', (random, ticks) => {
    const timer = new ElectionTimer(10, () => random)
    for (let tick = 0; tick < ticks; tick += 1) {
      expect(timer.expired).toBe(false)
      timer.tick()
    }
    expect(timer.expired).toBe(true)
  })

  test.each([
    [0, 5],
    [0.999, 9],
  ])('with %d it tries again after %i ticks', (random, ticks) => {
    const timer = new ElectionTimer(10, () => random)
    timer.resetForRetry()
    for (let tick = 0; tick < ticks; tick += 1) timer.tick()
    expect(timer.expired).toBe(true)
  })

  test('refuses a random number out of range', () => {
    expect(() => new ElectionTimer(10, () => 1)).toThrow('random must return')
  })
})

describe('Leader transfer on shutdown', () => {
  test('the target campaigns at once, in spite of the vote lease', () => {
    const cluster = new Cluster(3)
    cluster.elect(1)
    cluster.propose(1, 'a')
    cluster.stabilize()
    expect(cluster.raft(1).transferLeadership(2)).toBe(true)
    cluster.work(1)
    cluster.stabilize()
    expect(cluster.raft(2).status()).toMatchObject({ role: 'leader', term: 2 })
    expect(cluster.raft(1).status()).toMatchObject({ role: 'follower', leader: 2 })
  })

  test('a target that lags is caught up first, and no proposals are taken meanwhile', () => {
    const cluster = new Cluster(3)
    cluster.elect(1)
    cluster.isolate(2)
    cluster.propose(1, 'a', 'b')
    cluster.stabilize()
    cluster.raft(1).transferLeadership(2)
    cluster.work(1)
    cluster.stabilize()
    expect(cluster.propose(1, 'c')).toBe('overloaded')
    expect(cluster.raft(2).status().role).toBe('follower')
    cluster.heal()
    for (let tick = 0; tick < 6; tick += 1) {
      cluster.tick(1)
      cluster.stabilize()
    }
    expect(cluster.raft(2).status()).toMatchObject({ role: 'leader', lastIndex: 4 })
  })

  test('waits for the own disk: nothing that a quorum holds without this member is left with an unknown outcome', () => {
    const cluster = new Cluster(3)
    cluster.elect(1)
    cluster.stabilize()
    cluster.holdDisk(1)
    cluster.propose(1, 'a')
    cluster.stabilize()
    const { lastIndex, commitIndex, stableIndex } = cluster.raft(1).status()
    expect([commitIndex, stableIndex]).toEqual([lastIndex, lastIndex - 1])
    cluster.raft(1).transferLeadership(2)
    cluster.work(1)
    cluster.stabilize()
    expect(cluster.raft(1).status().role).toBe('leader')
    cluster.releaseDisk(1)
    cluster.work(1)
    cluster.stabilize()
    expect(cluster.raft(2).status().role).toBe('leader')
  })

  test('is given up after an election timeout', () => {
    const cluster = new Cluster(3)
    cluster.elect(1)
    cluster.crash(2)
    cluster.raft(1).transferLeadership(2)
    for (let tick = 0; tick < electionTicks; tick += 1) {
      cluster.tick(1)
      cluster.stabilize()
    }
    expect(cluster.raft(1).status()).toMatchObject({ role: 'leader', transferee: 0 })
    expect(cluster.propose(1, 'a')).toBe('accepted')
  })

  test('without a target it goes to the peer that is furthest', () => {
    const cluster = new Cluster(3)
    cluster.elect(1)
    cluster.isolate(2)
    cluster.propose(1, 'a')
    cluster.stabilize()
    expect(cluster.raft(1).transferLeadership()).toBe(true)
    expect(cluster.raft(1).status().transferee).toBe(3)
  })

  test('is refused by a follower, to oneself and by a member alone', () => {
    const cluster = new Cluster(3)
    cluster.elect(1)
    expect(cluster.raft(2).transferLeadership(1)).toBe(false)
    expect(cluster.raft(1).transferLeadership(1)).toBe(false)
    const alone = new Cluster(1)
    alone.tick(1)
    expect(alone.raft(1).transferLeadership()).toBe(false)
  })
})

describe('Cluster id and member id: misdelivered messages', () => {
  test.each([
    { from: 9, to: 1 },
    { from: 2, to: 3 },
    { from: 1, to: 1 },
  ])('from $from to $to are dropped by member 1', ({ from, to }) => {
    const cluster = new Cluster(3)
    cluster.raft(1).step({
      type: 'vote_request',
      from,
      to,
      term: 5,
      preVote: false,
      transfer: false,
      lastIndex: 0,
      lastTerm: 0,
    })
    expect(cluster.raft(1).status().term).toBe(0)
    expect(cluster.raft(1).take()).toBeNull()
  })
})
