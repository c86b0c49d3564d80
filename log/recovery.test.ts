import { rm } from 'node:fs/promises'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import type { Log } from './log.ts'
import { formatDirectory } from './storage/format.ts'
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
  cluster = await TestCluster.create(3, 16)
})

afterEach(async () => {
  await cluster.remove()
  expect(cluster.failures).toEqual([])
})

function memberOf(log: Log): number {
  return log.status().memberId
}

/** Closes a member and takes its disk away. */
async function wipe(log: Log): Promise<void> {
  await cluster.close(log)
  await rm(cluster.optionsOf(memberOf(log)).directory, { recursive: true })
}

async function format(member: number, standing: 'founding' | 'recovering'): Promise<void> {
  const { directory, clusterId, memberId } = cluster.optionsOf(member)
  await formatDirectory(directory, { clusterId, memberId }, { standing, blockEntries: 16 })
}

async function isVoter(log: Log): Promise<void> {
  await eventually('a vote', () => log.status().standing === 'voter')
}

async function delivered(log: Log, names: readonly string[]): Promise<void> {
  const seen = collect(log)
  const own = (): string[] => seen.filter((name) => name !== 'noop')
  await eventually('delivery', () => own().length >= names.length)
  expect(own()).toEqual(names)
}

const names = Array.from({ length: 100 }, (_, position) => `entry ${position}`)

describe('a member that lost its disk', () => {
  test('is refused until somebody says that it lost it; then it catches up, and has a vote again', async () => {
    const logs = await cluster.openAll()
    const leader = await leaderOf(logs)
    await propose(leader, names)
    const [lost, other] = logs.filter((log) => log !== leader) as [Log, Log]
    await wipe(lost)
    await expect(cluster.open(memberOf(lost))).rejects.toMatchObject({ reason: 'NOT_FORMATTED' })
    await format(memberOf(lost), 'recovering')
    const term = leader.status().term
    const back = await cluster.open(memberOf(lost))
    expect(back.status().standing).toBe('recovering')
    await delivered(back, names)
    await isVoter(back)
    expect(back.status().term).toBeGreaterThan(term)
    await cluster.close(leader)
    const next = await leaderOf([other, back])
    await propose(next, ['after it was back'])
    await cluster.close(other)
    await cluster.close(back)
    const again = await cluster.open(memberOf(lost))
    expect(again.status().standing).toBe('voter')
  })

  test('recovers also where somebody formats it by mistake', async () => {
    const logs = await cluster.openAll()
    const leader = await leaderOf(logs)
    await propose(leader, names)
    const lost = logs.find((log) => log !== leader) as Log
    await wipe(lost)
    await format(memberOf(lost), 'founding')
    const back = await cluster.open(memberOf(lost))
    await delivered(back, names)
    await isVoter(back)
  })

  test('does not count: the leader loses its quorum when the third member goes', async () => {
    const logs = await cluster.openAll()
    const leader = await leaderOf(logs)
    await propose(leader, names)
    const [lost, other] = logs.filter((log) => log !== leader) as [Log, Log]
    await wipe(lost)
    await cluster.close(other)
    await format(memberOf(lost), 'recovering')
    const back = await cluster.open(memberOf(lost))
    await eventually('the end of the leadership', () => leader.status().role !== 'leader')
    await sleep(4 * electionTimeoutMilliseconds)
    expect(leadershipOf(leader).ready).toBe(false)
    expect(back.status().standing).toBe('recovering')
    expect(back.status().waitsFor).toContain(`waits for ${memberOf(other)}`)
    const third = await cluster.open(memberOf(other))
    await delivered(back, names)
    await isVoter(back)
    expect(third.status().standing).toBe('voter')
  })
})

test.each(['founding', 'recovering'] as const)(
  'two wiped members of three (%s) elect nobody without the third, nor with it: the quorum is lost',
  async (standing) => {
    const logs = await cluster.openAll()
    const leader = await leaderOf(logs)
    await propose(leader, names)
    const lost = logs.filter((log) => log !== leader)
    await cluster.close(leader)
    for (const log of lost) await wipe(log)
    for (const log of lost) await format(memberOf(log), standing)
    const back = await Promise.all(lost.map((log) => cluster.open(memberOf(log))))
    await sleep(6 * electionTimeoutMilliseconds)
    for (const log of back) {
      expect(log.status()).toMatchObject({ leader: 0, lastIndex: 0 })
      expect(log.status().waitsFor).toMatch(new RegExp(`waits for .*${memberOf(leader)}`))
    }
    const third = await cluster.open(memberOf(leader))
    await eventually('an answer', () => back.every((log) => log.status().standing === 'recovering'))
    await sleep(6 * electionTimeoutMilliseconds)
    for (const log of [...back, third]) expect(log.status().leader).toBe(0)
    for (const log of back) expect(log.status().waitsFor).toContain('needs answers of 2 members')
    expect(cluster.warnings.join('\n')).toContain('this member has no vote yet: it recovers')
  },
)

test('a new cluster has no leader before all members were there, and any two go on afterwards', async () => {
  const two = await Promise.all([1, 2].map((member) => cluster.open(member)))
  await sleep(4 * electionTimeoutMilliseconds)
  for (const log of two) {
    expect(log.status()).toMatchObject({ leader: 0, term: 0, standing: 'founding' })
    expect(log.status().waitsFor).toContain('waits for 3')
  }
  const three = [...two, await cluster.open(3)]
  const leader = await leaderOf(three)
  await Promise.all(three.map(isVoter))
  await cluster.close(leader)
  await propose(await leaderOf(three.filter((log) => log !== leader)), ['on'])
})
