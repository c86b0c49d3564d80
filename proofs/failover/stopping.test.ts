import { expect, onTestFinished, test } from 'vitest'
import { ProcessCluster } from './cluster.ts'
import type { MemberProcess } from './member_process.ts'

test('a member that is told to end does so though another one stands still', async () => {
  const cluster = await ProcessCluster.prepare(3)
  onTestFinished(() => cluster.close())
  await cluster.startAll()
  const leader = await cluster.leader()
  const [still, follower] = cluster.followers(leader) as [MemberProcess, MemberProcess]
  still.signal('SIGSTOP')
  expect(await follower.stop(), follower.output).toBe(0)
  expect(await leader.stop(), leader.output).toBe(0)
}, 120_000)
