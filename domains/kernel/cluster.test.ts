import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { Log } from '../../log/log.ts'
import { eventually, TestCluster } from '../../log/test-cluster.ts'
import type { Actor } from './domain.ts'
import { Platform } from './platform.ts'
import { Registry } from './registry.ts'
import { Rejection } from './rejection.ts'
import libraryDomain, { library } from './sample/index.ts'
import { dump } from './testing.ts'
import { newCommandId } from './uuid.ts'

interface Member {
  readonly id: number
  readonly log: Log
  readonly platform: Platform
}

const actor: Actor = { principal: 'anna', kind: 'user' }
const registry = new Registry([libraryDomain])
let cluster: TestCluster
let members: Member[]
let fatal: Error[]

async function start(id: number): Promise<Member> {
  const log = await cluster.open(id)
  const directory = join(cluster.base, `rows-${id}`)
  const platform = await Platform.open({ log, registry, directory, onFatal: (error) => fatal.push(error) })
  const member = { id, log, platform }
  members.push(member)
  return member
}

async function stop(member: Member): Promise<void> {
  members = members.filter((other) => other !== member)
  await member.platform.close()
  await cluster.close(member.log)
}

const leader = (): Promise<Member> =>
  eventually('a platform that leads', () => members.find(({ platform }) => platform.leading))

async function allEqual(): Promise<void> {
  const revision = await (await leader()).platform.barrier()
  await eventually('all have applied it', () =>
    members.every(({ platform }) => platform.applied.revision >= revision),
  )
  const dumps = new Set(members.map(({ platform }) => dump(platform.engine.state)))
  expect(dumps.size).toBe(1)
}

beforeEach(async () => {
  fatal = []
  members = []
  cluster = await TestCluster.create(3)
  await Promise.all([1, 2, 3].map(start))
})

afterEach(async () => {
  for (const { platform } of members) await platform.close()
  await cluster.remove()
  expect(fatal).toEqual([])
  expect(cluster.failures).toEqual([])
})

const shelf = (name: string, commandId = newCommandId()) => ({
  type: 'library.CreateShelf',
  data: { name },
  actor,
  commandId,
})

/** Submits to whoever leads, as a client does: again, with the same id, while the outcome is not known. */
async function persist(name: string, commandId = newCommandId()): Promise<number> {
  for (const deadline = performance.now() + 20_000; ; ) {
    try {
      return (await (await leader()).platform.submit(shelf(name, commandId))).revision
    } catch (error) {
      const retriable = ['OUTCOME_UNKNOWN', 'NOT_LEADER', 'UNAVAILABLE', 'OVERLOADED', 'TIMEOUT']
      if (!(error instanceof Rejection) || !retriable.includes(error.code) || performance.now() > deadline)
        throw error
      await new Promise((resolve) => setTimeout(resolve, 10))
    }
  }
}

describe('three members', () => {
  it('hold the same state; a follower refuses to decide and says who leads', async () => {
    for (let i = 0; i < 20; i++) await persist(`s${i}`)
    await allEqual()
    const leading = await leader()
    const follower = members.find((member) => member !== leading) as Member
    await expect(follower.platform.submit(shelf('x'))).rejects.toMatchObject({
      code: 'NOT_LEADER',
      details: { leader: leading.id },
    })
    await expect(follower.platform.barrier()).rejects.toMatchObject({ code: 'NOT_LEADER' })
  })

  it('answer a retry at another leader with the first answer', async () => {
    const commandId = newCommandId()
    const first = await leader()
    const reply = await first.platform.submit(shelf('a', commandId))
    await stop(first)
    const again = await (await leader()).platform.submit(shelf('a', commandId))
    expect(again).toMatchObject({ revision: reply.revision, result: reply.result, duplicate: true })
    await expect((await leader()).platform.submit(shelf('b', commandId))).rejects.toMatchObject({
      code: 'COMMAND_ID_REUSED',
    })
    await allEqual()
  })

  it('lose no acknowledged command and run none twice while leaders change under load', async () => {
    const names = Array.from({ length: 300 }, (_, i) => `s${i}`)
    let next = 0
    const worker = async (): Promise<void> => {
      for (let name = names[next++]; name !== undefined; name = names[next++]) await persist(name)
    }
    const load = Promise.all(Array.from({ length: 8 }, worker))
    for (const goal of [60, 160]) {
      await eventually('the load goes on', () => next > goal)
      const gone = await leader()
      await stop(gone)
      await start(gone.id)
    }
    await load
    await allEqual()
    const shelves = [...members.values()].map(
      ({ platform }) => platform.engine.state.resource(library, 'shelf').size,
    )
    expect(shelves).toEqual([300, 300, 300])
  })

  it('undo what was in flight when the leader stops, and never answer it as done', async () => {
    const first = await leader()
    const others = members.filter((member) => member !== first)
    for (const other of others) await stop(other)
    const outcomes = Promise.allSettled([
      first.platform.submit(shelf('lost')),
      first.platform.submit(shelf('lost')),
    ])
    await eventually('it steps down without a quorum', () => !first.platform.leading)
    const codes = (await outcomes).map((each) =>
      each.status === 'rejected' ? (each.reason as Rejection).code : 'accepted',
    )
    expect(codes).toEqual(['OUTCOME_UNKNOWN', 'NOT_LEADER'])
    expect(first.platform.engine.state.resource(library, 'shelf').size).toBe(0)
    for (const { id } of others) await start(id)
    await persist('found')
    await allEqual()
  })
})
