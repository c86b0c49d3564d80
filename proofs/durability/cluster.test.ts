import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { loadDomains } from '../../domains/load.ts'
import { runUltracloud } from '../../main/testing_node.ts'
import { agreement } from '../failover/checks.ts'
import { ProcessCluster } from '../failover/cluster.ts'
import type { MemberProcess } from '../failover/member_process.ts'
import { operation, PROJECT, ZONE } from '../failover/operations.ts'
import { backUpAndReplay, requireSame, rowsAt } from './backups.ts'

test('three members are restored from one backup: they agree, and go on', async () => {
  const registry = await loadDomains()
  const directory = await mkdtemp(join(tmpdir(), 'ultracloud-durability-'))
  onTestFinished(() => rm(directory, { recursive: true, force: true }))
  const cluster = await ProcessCluster.start(3)
  onTestFinished(() => cluster.close())
  const leader = await cluster.leader()
  const client = cluster.clientOf(leader)
  await client.command({ type: 'dns.CreateZone', data: { project: PROJECT, name: ZONE } })
  const written = await Promise.all(
    Array.from({ length: 60 }, async (_, index) => {
      const submitted = operation(0, index)
      return { submitted, reply: await client.command(submitted) }
    }),
  )
  const [follower] = cluster.followers(leader) as [MemberProcess, MemberProcess]
  const asked = cluster.clientOf(follower).stream('ClusterService/Backup', {}, new AbortController().signal)
  await expect(Array.fromAsync(asked)).rejects.toMatchObject({
    code: 'NOT_LEADER',
    details: { leader: leader.grpc },
  })
  const members = {
    grpc: `${follower.grpc},${leader.grpc}`,
    tokenFile: join(leader.directory, 'admin.token'),
  }
  const created = await runUltracloud(['backup', 'create', join(directory, 'by-hand.backup')], members)
  expect([created.code, created.stderr]).toEqual([0, expect.stringContaining('asking the next member')])
  const backup = join(directory, 'cloud.backup')
  const { replayed } = await backUpAndReplay(client, backup, registry)
  const rows = await rowsAt(client, registry, replayed.revision)
  await Promise.all(cluster.members.map((member) => member.stop()))
  for (const member of cluster.members) await rm(member.directory, { recursive: true })

  const restore = (member: MemberProcess, more: readonly string[]): ReturnType<typeof runUltracloud> =>
    runUltracloud([
      'backup',
      'restore',
      backup,
      '--data',
      member.directory,
      '--config',
      member.config,
      ...more,
    ])
  const [first, ...others] = cluster.members as [MemberProcess, ...MemberProcess[]]
  const { code, stdout, stderr } = await restore(first, [])
  expect([code, stderr]).toEqual([0, expect.stringContaining('ok restoring')])
  const alike = /--to (\d+) --history (\S+) --time (\S+)/.exec(stdout)?.slice(0, 4) ?? []
  expect(alike).toHaveLength(4)
  const [, revision = '', history = '', time = ''] = alike
  for (const member of others) {
    const flags = ['--to', revision, '--history', history, '--time', time]
    expect((await restore(member, flags)).code).toBe(0)
  }

  await cluster.startAll()
  const { digests } = await agreement(cluster)
  expect(Object.keys(digests)).toEqual(['tables', 'zones', 'balancers', 'hosts', 'keys'])
  const leading = await cluster.leader()
  for (const member of cluster.members) expect((await cluster.status(member))?.history).toBe(history)
  const now = cluster.clientOf(leading)
  requireSame('the rows', await rowsAt(now, registry, replayed.revision), rows)
  const [{ submitted, reply }] = written as [(typeof written)[number], ...typeof written]
  expect(await now.command(submitted)).toMatchObject({ revision: reply.revision, duplicate: true })
  const next = await now.command(operation(1, 0))
  expect(next.revision).toBeGreaterThan(replayed.revision + 1)
  await agreement(cluster)
}, 240_000)
