import { describe, expect, test } from 'vitest'
import { Cluster, electionTicks, heartbeatTicks } from './transcripts/cluster.ts'
import type { AppendRequest, Message } from './types.ts'

function appendsTo(messages: readonly Message[], to: number): AppendRequest[] {
  return messages.filter(
    (message) => message.type === 'append_request' && message.to === to,
  ) as AppendRequest[]
}

function peer(cluster: Cluster, leader: number, id: number) {
  const status = cluster
    .raft(leader)
    .status()
    .peers.find((candidate) => candidate.id === id)
  if (status === undefined) throw new RangeError(`member ${leader} has no peer ${id}`)
  return status
}

function texts(cluster: Cluster, id: number): string[] {
  return cluster
    .member(id)
    .disk.log.map((entry) => `${entry.term}:${new TextDecoder().decode(entry.payload)}`)
}

describe('No-op at term start', () => {
  test('is the first entry of a leader, and commits what earlier terms left', () => {
    const cluster = new Cluster(3)
    cluster.elect(1)
    cluster.cut(2, 1)
    cluster.cut(3, 1)
    cluster.propose(1, 'a')
    cluster.stabilize()
    expect(cluster.raft(1).status().commitIndex).toBe(1)
    cluster.crash(1)
    cluster.elect(2)
    expect(cluster.raft(2).status()).toMatchObject({ role: 'leader', term: 2, commitIndex: 3 })
    expect(texts(cluster, 3)).toEqual(['1:', '1:a', '2:'])
    expect(cluster.member(2).disk.log.map((entry) => entry.kind)).toEqual(['noop', 'data', 'noop'])
  })

  test('its index is told with the leadership', () => {
    const cluster = new Cluster(3)
    cluster.elect(1)
    const changes = cluster.member(1).effects.map((effects) => effects.leadership)
    expect(changes).toContainEqual({ term: 1, leader: 1, firstIndex: 1 })
    expect(cluster.member(2).effects.map((effects) => effects.leadership)).toContainEqual({
      term: 1,
      leader: 1,
      firstIndex: 0,
    })
  })
})

describe('No-op at term start: commit', () => {
  test('an entry of an earlier term is not committed by counting (figure 8 of the paper)', () => {
    const cluster = new Cluster(3, { maxBytesPerAppend: 1 })
    cluster.elect(1)
    cluster.isolate(1)
    cluster.propose(1, 'aa', 'bb')
    cluster.stabilize()
    cluster.tick(1, 2 * electionTicks)
    cluster.inTransit.length = 0
    cluster.heal()
    cluster.tick(2, electionTicks)
    cluster.campaign(1)
    const { firstOwn } = runUntilPeerHolds(cluster, 2)
    expect(firstOwn).toBe(4)
    expect(cluster.raft(1).status()).toMatchObject({ role: 'leader', term: 2, commitIndex: 1 })
    cluster.stabilize()
    expect(cluster.raft(1).status().commitIndex).toBe(4)
  })

  /** Delivers one message at a time until the old entry 2 is acknowledged by a peer. */
  function runUntilPeerHolds(cluster: Cluster, index: number): { firstOwn: number } {
    for (let count = 0; count < 200; count += 1) {
      const held = cluster
        .raft(1)
        .status()
        .peers.some((status) => status.matchIndex === index)
      if (held) return { firstOwn: cluster.raft(1).status().lastIndex }
      const message = cluster.inTransit.shift()
      if (message !== undefined) cluster.deliver(message)
    }
    throw new RangeError('no peer ever held the old entry')
  }

  test('a leader does not count itself before its own sync', () => {
    const cluster = new Cluster(3)
    cluster.elect(1)
    cluster.crash(3)
    cluster.holdDisk(1)
    cluster.propose(1, 'a')
    cluster.stabilize()
    expect(texts(cluster, 2)).toEqual(['1:', '1:a'])
    expect(cluster.raft(1).status().commitIndex).toBe(1)
    cluster.releaseDisk(1)
    expect(cluster.raft(1).status().commitIndex).toBe(2)
  })

  test('a quorum of others commits what the leader has not synced, and it delivers that only later', () => {
    const cluster = new Cluster(3)
    cluster.elect(1)
    cluster.holdDisk(1)
    cluster.propose(1, 'a')
    cluster.stabilize()
    expect(cluster.member(1).effects.at(-1)).toMatchObject({ commit: 2, deliverable: 1 })
    cluster.releaseDisk(1)
    expect(cluster.member(1).effects.at(-1)).toMatchObject({ commit: 2, deliverable: 2 })
  })

  test('followers learn of it without waiting for a heartbeat', () => {
    const cluster = new Cluster(3)
    cluster.elect(1)
    cluster.propose(1, 'a')
    cluster.stabilize()
    expect(cluster.raft(3).status().commitIndex).toBe(2)
  })
})

describe('Follower truncation and acknowledgement', () => {
  test("leave before the leader's own sync", () => {
    const cluster = new Cluster(3)
    cluster.elect(1)
    cluster.holdDisk(1)
    cluster.propose(1, 'a')
    expect(appendsTo(cluster.inTransit, 2)).toMatchObject([{ previousIndex: 1, entries: [{ index: 2 }] }])
  })

  test('are acknowledged only once they are durable', () => {
    const cluster = new Cluster(3)
    cluster.elect(1)
    cluster.holdDisk(2)
    cluster.crash(3)
    cluster.propose(1, 'a')
    cluster.stabilize()
    expect(peer(cluster, 1, 2).matchIndex).toBe(1)
    cluster.releaseDisk(2)
    cluster.stabilize()
    expect(peer(cluster, 1, 2).matchIndex).toBe(2)
  })

  test('a conflict is cut off and replaced; a late or repeated append cuts off nothing', () => {
    const cluster = new Cluster(3)
    cluster.elect(1)
    cluster.isolate(1)
    cluster.propose(1, 'lost', 'too')
    cluster.elect(2)
    cluster.propose(2, 'kept')
    cluster.stabilize()
    const late = appendsTo(cluster.inTransit, 3)
    expect(late).toEqual([])
    cluster.heal()
    for (let tick = 0; tick < 3 * heartbeatTicks; tick += 1) {
      cluster.tick(2)
      cluster.stabilize()
    }
    expect(texts(cluster, 1)).toEqual(['1:', '2:', '2:kept'])
    const log = cluster.member(2).disk.log
    cluster.deliver({
      type: 'append_request',
      from: 2,
      to: 3,
      term: 2,
      previousIndex: 1,
      previousTerm: 1,
      entries: log.slice(1, 2),
      commit: 0,
      readTag: 0,
      timeoutNow: false,
    })
    expect(texts(cluster, 3)).toEqual(['1:', '2:', '2:kept'])
  })

  test('cutting off what is committed stops the member', () => {
    const cluster = new Cluster(3)
    cluster.elect(1)
    cluster.propose(1, 'a')
    cluster.stabilize()
    const forged = { index: 2, term: 5, kind: 'data', payload: new Uint8Array(1) } as const
    const request = {
      type: 'append_request',
      from: 3,
      to: 2,
      term: 5,
      commit: 0,
      readTag: 0,
      timeoutNow: false,
    } as const
    expect(() =>
      cluster.deliver({ ...request, previousIndex: 1, previousTerm: 1, entries: [forged] }),
    ).toThrow('would lose what is committed')
  })

  test('a leader that lacks what is committed stops the member', () => {
    const cluster = new Cluster(3)
    cluster.elect(1)
    const request = {
      type: 'append_request',
      from: 3,
      to: 2,
      term: 5,
      commit: 0,
      readTag: 0,
      timeoutNow: false,
    } as const
    expect(() => cluster.deliver({ ...request, previousIndex: 1, previousTerm: 4, entries: [] })).toThrow(
      'does not hold the committed entry 1',
    )
  })

  test('two leaders of one term stop the member', () => {
    const cluster = new Cluster(3)
    cluster.elect(1)
    const request = {
      type: 'append_request',
      from: 3,
      term: 1,
      commit: 0,
      readTag: 0,
      timeoutNow: false,
    } as const
    const empty = { previousIndex: 0, previousTerm: 0, entries: [] }
    expect(() => cluster.deliver({ ...request, ...empty, to: 2 })).toThrow('two leaders')
    expect(() => cluster.deliver({ ...request, ...empty, to: 1 })).toThrow('both lead')
  })
})

describe('Conflict hint', () => {
  /** Member 3 holds 40 entries of term 1 that nobody else has; the others hold 40 of term 2. */
  function diverge(): Cluster {
    const cluster = new Cluster(3)
    cluster.elect(3)
    cluster.isolate(3)
    for (let count = 0; count < 40; count += 1) cluster.propose(3, `old ${count}`)
    cluster.tick(3, 2 * electionTicks)
    cluster.elect(1)
    for (let count = 0; count < 40; count += 1) cluster.propose(1, `new ${count}`)
    cluster.stabilize()
    cluster.raft(1).transferLeadership(2)
    cluster.work(1)
    cluster.stabilize()
    expect(cluster.raft(2).status().role).toBe('leader')
    return cluster
  }

  test('costs a probe for each term, not for each entry', () => {
    const cluster = diverge()
    cluster.heal()
    cluster.tick(2, heartbeatTicks)
    let refusals = 0
    cluster.onEvent = (text) => {
      if (text.includes('refuses')) refusals += 1
    }
    for (let tick = 0; tick < 4 * heartbeatTicks; tick += 1) {
      cluster.tick(2)
      cluster.stabilize()
    }
    expect(texts(cluster, 3)).toEqual(texts(cluster, 2))
    expect(refusals).toBeGreaterThan(0)
    expect(refusals).toBeLessThanOrEqual(3)
  })

  test('is used on both sides: what neither log can match is skipped without a probe', () => {
    const cluster = diverge()
    cluster.heal()
    cluster.tick(2, heartbeatTicks)
    const appends: string[] = []
    cluster.onEvent = (text) => {
      if (text.startsWith('2→3') && text.includes('append after')) appends.push(text)
    }
    for (let tick = 0; tick < 4 * heartbeatTicks; tick += 1) {
      cluster.tick(2)
      cluster.stabilize()
    }
    // The follower's 40 entries of term 1 and the leader's 40 of term 2 meet at the no-op of term 1.
    const probes = new Set(appends.map((text) => /after (\d+)/.exec(text)?.[1]))
    expect(probes).toContain('1')
    expect(probes.size).toBeLessThanOrEqual(5)
  })
})

describe('Probe and replicate states', () => {
  test('a new leader probes with one append until it is answered, then pipelines', () => {
    const cluster = new Cluster(3)
    cluster.tick(2, electionTicks)
    cluster.campaign(1)
    while (cluster.raft(1).status().role !== 'leader') {
      const message = cluster.inTransit.shift()
      if (message !== undefined) cluster.deliver(message)
    }
    cluster.propose(1, 'a')
    cluster.propose(1, 'b')
    expect(peer(cluster, 1, 2)).toMatchObject({ state: 'probe', nextIndex: 1 })
    expect(appendsTo(cluster.inTransit, 2)).toHaveLength(1)
    cluster.stabilize()
    expect(peer(cluster, 1, 2)).toMatchObject({ state: 'replicate', matchIndex: 3 })
    cluster.propose(1, 'c')
    cluster.propose(1, 'd')
    expect(appendsTo(cluster.inTransit, 2)).toHaveLength(2)
  })

  test('the window bounds messages', () => {
    const cluster = new Cluster(3, { maxInflightMessages: 2 })
    cluster.elect(1)
    for (const text of ['a', 'b', 'c', 'd']) cluster.propose(1, text)
    expect(appendsTo(cluster.inTransit, 2)).toHaveLength(2)
    expect(peer(cluster, 1, 2).inflightMessages).toBe(2)
    cluster.stabilize()
    expect(texts(cluster, 2)).toHaveLength(5)
    expect(peer(cluster, 1, 2).inflightMessages).toBe(0)
  })

  test('the window bounds bytes, and an append too; a larger entry still goes, alone', () => {
    const cluster = new Cluster(3, { maxInflightBytes: 4, maxBytesPerAppend: 4 })
    cluster.elect(1)
    cluster.propose(1, 'aa', 'bb', 'cc', 'larger than the bound')
    expect(appendsTo(cluster.inTransit, 2).map((append) => append.entries.length)).toEqual([2])
    cluster.stabilize()
    expect(texts(cluster, 2)).toHaveLength(5)
  })

  test('a full window still sends empty appends, so that a loss is found out', () => {
    const cluster = new Cluster(3, { maxInflightMessages: 1 })
    cluster.elect(1)
    cluster.cut(1, 2)
    cluster.propose(1, 'a')
    cluster.propose(1, 'b')
    cluster.stabilize()
    cluster.heal()
    expect(peer(cluster, 1, 2)).toMatchObject({ state: 'replicate', inflightMessages: 1, matchIndex: 1 })
    for (let tick = 0; tick < 3 * heartbeatTicks; tick += 1) {
      cluster.tick(1)
      cluster.stabilize()
    }
    expect(peer(cluster, 1, 2)).toMatchObject({ state: 'replicate', matchIndex: 3 })
  })

  test('a lost probe is sent again after a sign of life', () => {
    const cluster = new Cluster(3)
    cluster.elect(1)
    cluster.crash(2)
    for (let tick = 0; tick < 3 * electionTicks; tick += 1) {
      cluster.tick(1)
      cluster.stabilize()
    }
    cluster.propose(1, 'a')
    cluster.stabilize()
    expect(peer(cluster, 1, 2)).toMatchObject({ state: 'probe', recentlyActive: false })
    cluster.restart(2)
    for (let tick = 0; tick < 3 * heartbeatTicks; tick += 1) {
      cluster.tick(1)
      cluster.stabilize()
    }
    expect(texts(cluster, 2)).toEqual(['1:', '1:a'])
  })
})

describe('Heartbeats', () => {
  test('go out by the clock, whatever the disk and the window do', () => {
    const cluster = new Cluster(3, { maxInflightMessages: 1 })
    cluster.elect(1)
    cluster.holdDisk(1)
    cluster.propose(1, 'a')
    cluster.propose(1, 'b')
    cluster.inTransit.length = 0
    cluster.tick(1, heartbeatTicks)
    expect(appendsTo(cluster.inTransit, 2)).toMatchObject([{ entries: [] }])
    expect(appendsTo(cluster.inTransit, 3)).toMatchObject([{ entries: [] }])
  })

  test('come before entries', () => {
    const cluster = new Cluster(3)
    cluster.elect(1)
    cluster.raft(1).propose(1, 2, [new Uint8Array(1)])
    for (let tick = 0; tick < heartbeatTicks; tick += 1) cluster.raft(1).tick()
    cluster.work(1)
    expect(appendsTo(cluster.inTransit, 2).map((append) => append.entries.length)).toEqual([0, 1])
  })

  test('are answered at once by a member whose disk is slow, with what is durable', () => {
    const cluster = new Cluster(3)
    cluster.elect(1)
    cluster.crash(3)
    cluster.holdDisk(2)
    cluster.propose(1, 'a')
    cluster.stabilize()
    for (let tick = 0; tick < 4 * electionTicks; tick += 1) {
      cluster.tick(1)
      cluster.stabilize()
    }
    expect(cluster.raft(1).status()).toMatchObject({ role: 'leader', commitIndex: 1 })
    expect(peer(cluster, 1, 2)).toMatchObject({ matchIndex: 1, recentlyActive: true })
  })
})
