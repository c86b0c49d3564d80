import { spawnSync } from 'node:child_process'
import { randomInt } from 'node:crypto'
import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { expect, onTestFinished, test } from 'vitest'
import { Rejection } from '../../domains/kernel/rejection.ts'
import { newCommandId } from '../../domains/kernel/uuid.ts'
import { ProcessCluster } from './cluster.ts'
import type { MemberProcess } from './member_process.ts'
import { PROJECT } from './operations.ts'
import { until } from './until.ts'

const PROGRAM = join(import.meta.dirname, '..', '..', 'main', 'ultracloud.ts')
const TIMEOUT_MS = 60_000
const unanswered = ['NOT_LEADER', 'OUTCOME_UNKNOWN', 'OVERLOADED', 'UNAVAILABLE', 'TIMEOUT']

function unlessRefused(error: unknown): undefined {
  if (error instanceof Rejection && unanswered.includes(error.code)) return undefined
  throw error
}

function ultracloud(...args: readonly string[]): { readonly code: number | null; readonly text: string } {
  const { status, stdout, stderr } = spawnSync(process.execPath, [PROGRAM, ...args], { encoding: 'utf8' })
  return { code: status, text: stdout + stderr }
}

async function createZones(cluster: ProcessCluster, through: MemberProcess, from: number, to: number) {
  for (let count = from; count <= to; count += 1) {
    const data = { project: PROJECT, name: `zone-${count}.test` }
    // A leader may just be handing over, or have been killed: the command id makes a retry safe.
    const command = { type: 'dns.CreateZone', data, commandId: newCommandId() }
    await until(`zone ${count}`, TIMEOUT_MS, () =>
      cluster.clientOf(through).command(command).catch(unlessRefused),
    )
  }
}

async function agreement(cluster: ProcessCluster): Promise<string> {
  return until('equal digests', TIMEOUT_MS, async () => {
    const statuses = await Promise.all(cluster.running.map((member) => cluster.status(member)))
    const [first, ...others] = statuses.map((status) =>
      status === undefined ? undefined : JSON.stringify(status.projections),
    )
    return first !== undefined && others.every((other) => other === first) ? first : undefined
  })
}

test('a member whose disk is wiped is refused, recovers through kill -9, and its vote is needed and there', async () => {
  const cluster = await ProcessCluster.prepare(3)
  onTestFinished(() => cluster.close())
  await cluster.startAll()
  const leader = await cluster.leader()
  await createZones(cluster, leader, 1, 25)
  const [lost, other] = cluster.followers(leader) as [MemberProcess, MemberProcess]
  await lost.kill()
  await rm(lost.directory, { recursive: true })

  const refused = await lost.start().catch(String)
  expect(refused).toContain('NOT_FORMATTED')
  expect(refused).toContain('ultracloud member recover')

  const flags = ['--data', lost.directory, '--config', lost.config]
  const recovered = ultracloud('member', 'recover', ...flags)
  expect(recovered).toMatchObject({ code: 0 })
  expect(ultracloud('member', 'format', ...flags)).toMatchObject({
    code: 1,
    text: expect.stringContaining('this member was in use'),
  })
  for (let kill = 0; kill < 5; kill += 1) {
    const ready = lost.start().catch(() => undefined)
    await Promise.race([ready, sleep(randomInt(300, 1500))])
    await lost.kill()
    await ready
  }
  await lost.start()
  await createZones(cluster, await cluster.leader(), 26, 35)
  await agreement(cluster)

  // Two members of three are left: the recovered one has to vote and to count.
  await leader.kill()
  await createZones(cluster, other, 36, 45)
  expect(cluster.running).toEqual(expect.arrayContaining([lost, other]))
  await agreement(cluster)
  await lost.kill()
  expect(ultracloud('member', 'recover', ...flags).text).toContain('The old log is kept in')
}, 180_000)
