import { describe, expect, test } from 'vitest'
import { Raft } from './raft.ts'
import { StandingState } from './standing.ts'
import { Cluster, electionTicks, heartbeatTicks } from './transcripts/cluster.ts'
import type { AppendResponse, LogView, ProbeResponse } from './types.ts'

/** Member 3 has lost its disk under leader 1, and has asked the others for their terms. */
function recovering(size: 3 | 5 = 3): Cluster {
  const cluster = new Cluster(size)
  cluster.elect(1)
  cluster.propose(1, 'x', 'y')
  cluster.stabilize()
  cluster.replaceDisk(3, 'recovering')
  cluster.tick(3, heartbeatTicks)
  return cluster
}

/** Long enough for a leader to campaign for a member that recovers, when handing over has not helped. */
function patience(cluster: Cluster): void {
  for (let beat = 0; beat < 12 * electionTicks; beat += 1) {
    for (const id of [1, 2]) if (cluster.raft(id).status().role === 'leader') heartbeat(cluster, id)
  }
}

function heartbeat(cluster: Cluster, leader: number): void {
  cluster.tick(leader, heartbeatTicks)
  cluster.stabilize()
}

describe('a member that recovers', () => {
  test('gives no vote, whoever asks', () => {
    const cluster = recovering()
    for (const [preVote, transfer] of [
      [true, false],
      [false, false],
      [false, true],
    ] as const) {
      cluster.inTransit.length = 0
      cluster.deliver({
        type: 'vote_request',
        from: 2,
        to: 3,
        term: 9,
        preVote,
        transfer,
        lastIndex: 99,
        lastTerm: 9,
      })
      expect(cluster.inTransit).toMatchObject([{ type: 'vote_response', granted: false }])
    }
    expect(cluster.member(3).disk.hardState.vote).toBe(0)
  })

  test('does not campaign, neither by itself nor when it is told to', () => {
    const cluster = recovering()
    cluster.stabilize()
    cluster.tick(3, 5 * electionTicks)
    expect(cluster.raft(3).status()).toMatchObject({ role: 'follower', term: 0 })
    const request = { type: 'append_request', from: 1, to: 3, term: 1, entries: [], commit: 0 } as const
    cluster.deliver({ ...request, previousIndex: 0, previousTerm: 0, readTag: 0, timeoutNow: true })
    expect(cluster.raft(3).status()).toMatchObject({ role: 'follower', term: 1 })
  })

  test('counts for no commit, no read and no quorum of its leader', () => {
    const cluster = recovering()
    for (const other of [1, 3]) cluster.cut(other, 2)
    cluster.stabilize()
    heartbeat(cluster, 1)
    heartbeat(cluster, 1)
    const before = cluster.raft(1).status()
    expect(before.peers.find(({ id }) => id === 3)).toMatchObject({ recovering: true, matchIndex: 3 })
    cluster.propose(1, 'z')
    const tag = cluster.readIndex(1)
    cluster.stabilize()
    heartbeat(cluster, 1)
    expect(cluster.member(3).disk.log).toHaveLength(4)
    expect(cluster.raft(1).status().commitIndex).toBe(before.commitIndex)
    expect(cluster.member(1).effects.flatMap(({ reads }) => reads)).not.toContainEqual({ tag, index: 3 })
    for (let tick = 0; tick < 2 * electionTicks; tick += 1) {
      cluster.tick(1)
      cluster.stabilize()
    }
    expect(cluster.raft(1).status().role).toBe('follower')
  })

  test('is no target for leadership', () => {
    const cluster = recovering()
    cluster.stabilize()
    cluster.cut(1, 2)
    heartbeat(cluster, 1)
    expect(cluster.raft(1).transferLeadership(3)).toBe(false)
  })

  test('needs a later term than a quorum of the others knew, and gets one by a transfer', () => {
    const cluster = recovering()
    cluster.stabilize()
    heartbeat(cluster, 1)
    heartbeat(cluster, 2)
    expect(cluster.raft(2).status()).toMatchObject({ role: 'leader', term: 2 })
    expect(cluster.raft(3).status()).toMatchObject({ standing: 'voter', term: 2, waitsFor: '' })
    expect(cluster.member(3).disk).toMatchObject({ standing: 'voter', hardState: { term: 2, vote: 2 } })
  })

  test('stays without a vote in the term in which it began, however far it catches up', () => {
    const cluster = recovering()
    cluster.stabilize()
    cluster.cut(1, 2)
    heartbeat(cluster, 1)
    cluster.heal()
    cluster.cut(2, 1)
    heartbeat(cluster, 1)
    expect(cluster.raft(3).status()).toMatchObject({ term: 1, commitIndex: 3, standing: 'recovering' })
    expect(cluster.raft(3).status().waitsFor).toContain('a leader of term 2 or later')
  })

  test('asks a quorum without itself: one answer of two is not enough', () => {
    const cluster = recovering()
    cluster.cut(3, 2)
    cluster.stabilize()
    expect(cluster.raft(3).status().waitsFor).toContain('needs answers of 2 members')
    heartbeat(cluster, 1)
    expect(cluster.raft(1).status()).toMatchObject({ role: 'leader', term: 1 })
    cluster.heal()
    cluster.tick(3, heartbeatTicks)
    cluster.stabilize()
    expect(cluster.raft(3).status().waitsFor).toContain('term 2 or later')
  })

  test('a vote is stored together with having one', () => {
    const cluster = recovering()
    cluster.stabilize()
    heartbeat(cluster, 1)
    heartbeat(cluster, 2)
    const promotions = cluster.member(3).effects.filter(({ write }) => write?.becomesVoter === true)
    expect(promotions).toMatchObject([{ write: { hardState: { term: 2, vote: 2 } } }])
  })

  test('after a crash before that it recovers again, with what it holds', () => {
    const cluster = recovering()
    cluster.stabilize()
    cluster.cut(1, 2)
    heartbeat(cluster, 1)
    cluster.heal()
    cluster.crash(3)
    cluster.restart(3)
    expect(cluster.raft(3).status()).toMatchObject({ standing: 'recovering', lastIndex: 3 })
    cluster.tick(3, heartbeatTicks)
    cluster.stabilize()
    patience(cluster)
    expect(cluster.raft(3).status().standing).toBe('voter')
  })

  test('a disk lost twice under one leader is filled again', () => {
    const cluster = recovering()
    cluster.cut(3, 2)
    cluster.stabilize()
    heartbeat(cluster, 1)
    heartbeat(cluster, 1)
    expect(cluster.member(3).disk.log).toHaveLength(3)
    cluster.replaceDisk(3, 'recovering')
    heartbeat(cluster, 1)
    heartbeat(cluster, 1)
    expect(cluster.member(3).disk.log).toHaveLength(3)
    expect(cluster.raft(1).status().term).toBe(1)
  })

  test('the only member of a cluster has nobody to recover from', () => {
    const view: LogView = { lastIndex: () => 0, termAt: () => 0, entries: () => [] }
    const config = { id: 1, members: [1], electionTicks, heartbeatTicks, random: () => 0 }
    expect(() => new Raft({ ...config, standing: 'recovering' }, view, { term: 0, vote: 0 })).toThrow(
      'nobody to recover from',
    )
  })
})

describe('how a member stands', () => {
  const config = { id: 1, members: [1, 2, 3], electionTicks, heartbeatTicks, random: () => 0.5 }

  function answer(from: number, change: Partial<ProbeResponse>, state: StandingState): ProbeResponse {
    const [probe] = state.tick(0)
    return {
      type: 'probe_response',
      from,
      to: 1,
      term: 0,
      nonce: probe?.nonce ?? 2 ** 47 + 1,
      standing: 'founding',
      untouched: true,
      originChecksum: 0,
      ...change,
    }
  }

  test('an answer to an earlier life is not taken for one to this', () => {
    const state = new StandingState({ ...config, standing: 'recovering' })
    for (const from of [2, 3])
      state.answered(answer(from, { nonce: 7, standing: 'voter', term: 3, untouched: false }, state))
    expect(state.voice.neededTerm).toBe(0)
  })

  test('who recovers, too, has forgotten its term, and who founds never had one: only voters are believed', () => {
    const state = new StandingState({ ...config, members: [1, 2, 3, 4, 5], standing: 'recovering' })
    state.answered(answer(2, { standing: 'recovering', term: 9, untouched: false }, state))
    state.answered(answer(3, { standing: 'founding' }, state))
    state.answered(answer(4, { standing: 'voter', term: 3, untouched: false }, state))
    state.answered(answer(5, { standing: 'voter', term: 4, untouched: false }, state))
    expect(state.voice.neededTerm).toBe(0)
    state.answered(answer(3, { standing: 'voter', term: 2, untouched: false }, state))
    expect(state.voice.neededTerm).toBe(5)
    expect([state.confirmed(4), state.confirmed(5)]).toEqual([false, true])
  })

  test('a cluster is founded by members with the same log', () => {
    const origin = { index: 9, term: 2, checksum: 77 }
    const state = new StandingState({ ...config, standing: 'founding', origin })
    state.answered(answer(2, { originChecksum: 77, term: 2 }, state))
    state.answered(answer(3, { originChecksum: 78, term: 2 }, state))
    expect(state.takeChange()).toBe(false)
    expect(state.waitsFor).toContain('waits for 3')
    state.answered(answer(3, { originChecksum: 77, term: 2, standing: 'voter' }, state))
    expect([state.takeChange(), state.takeChange()]).toEqual([true, false])
    expect(state.isVoter).toBe(false)
    state.persisted()
    expect(state.isVoter).toBe(true)
  })

  test('a restored log does not recover from members that have gone on: one of the two is another history', () => {
    const origin = { index: 9, term: 2, checksum: 77 }
    const state = new StandingState({ ...config, standing: 'founding', origin })
    expect(() => state.answered(answer(2, { standing: 'voter', untouched: false, term: 5 }, state))).toThrow(
      'restored from a backup',
    )
  })
})

test('a late acknowledgement of the lost disk harms nobody', () => {
  const cluster = recovering()
  cluster.stabilize()
  cluster.cut(1, 2)
  heartbeat(cluster, 1)
  const late: AppendResponse = {
    type: 'append_response',
    from: 3,
    to: 1,
    term: 1,
    success: true,
    index: 3,
    hintIndex: 0,
    hintTerm: 0,
    readTag: 0,
    recovery: 0,
    neededTerm: 0,
  }
  cluster.deliver(late)
  cluster.heal()
  patience(cluster)
  expect(cluster.raft(3).status().standing).toBe('voter')
})

test('what a member took while it recovered is not counted, though an acknowledgement of the lost disk comes late', () => {
  const cluster = recovering()
  cluster.stabilize()
  cluster.cut(1, 2)
  cluster.propose(1, 'taken by the recovering member alone')
  cluster.stabilize()
  expect(cluster.member(3).disk.log.length).toBe(4)
  expect(cluster.raft(1).status().commitIndex).toBe(3)
  cluster.deliver({
    type: 'append_response',
    from: 3,
    to: 1,
    term: 1,
    success: true,
    index: 2,
    hintIndex: 0,
    hintTerm: 0,
    readTag: 0,
    recovery: 0,
    neededTerm: 0,
  })
  expect(cluster.raft(1).status().commitIndex).toBe(3)
  cluster.stabilize()
  expect(cluster.raft(1).status().commitIndex).toBe(3)
})
