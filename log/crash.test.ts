import { type ChildProcess, spawn } from 'node:child_process'
import { randomInt } from 'node:crypto'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { afterEach, expect, test } from 'vitest'
import { readLog } from './storage/offline.ts'
import { electionTimeoutMilliseconds, eventually, TestCluster } from './test-cluster.ts'
import type { MemberEvent } from './test-member.ts'

/** A follower campaigns after T to 2T. */
const electionTimeoutMillisecondsMax = 2 * electionTimeoutMilliseconds

let cluster: TestCluster | undefined
const children = new Set<ChildProcess>()

afterEach(async () => {
  await Promise.all([...children].map((child) => kill(child)))
  await cluster?.remove()
})

interface Running {
  readonly member: number
  readonly child: ChildProcess
  readonly events: MemberEvent[]
}

function spawnMember(of: TestCluster, member: number): Running {
  const script = fileURLToPath(new URL('./test-member.ts', import.meta.url))
  const child = spawn(process.execPath, [script, JSON.stringify(of.optionsOf(member))], {
    stdio: ['pipe', 'pipe', 'inherit'],
  })
  children.add(child)
  const events: MemberEvent[] = []
  createInterface({ input: child.stdout }).on('line', (line) => {
    const event: MemberEvent = JSON.parse(line)
    events.push(event)
  })
  return { member, child, events }
}

/** kill -9, and everything it printed has been read. */
async function kill(child: ChildProcess): Promise<void> {
  children.delete(child)
  if (child.exitCode !== null || child.signalCode !== null) return
  const closed = new Promise((resolve) => child.once('close', resolve))
  child.kill('SIGCONT')
  child.kill('SIGKILL')
  await closed
}

function acknowledged(running: readonly Running[]): number[] {
  const indexes = new Set<number>()
  for (const { events } of running) {
    for (const found of events) {
      if (found.event !== 'acknowledged') continue
      for (let index = found.from; index <= found.to; index += 1) indexes.add(index)
    }
  }
  return [...indexes]
}

/** Every index in the directory and what is stored at it, read as an opener would. */
async function stored(directory: string): Promise<Map<number, string>> {
  const found = new Map<number, string>()
  for await (const entries of readLog(directory)) {
    for (const { index, kind, payload } of entries) {
      found.set(index, kind === 'noop' ? 'noop' : Buffer.from(payload).toString())
    }
  }
  return found
}

function expectNothingLost(indexes: readonly number[], found: ReadonlyMap<number, string>): void {
  const lost = indexes.filter((index) => found.get(index) !== `entry ${index}`)
  expect(lost).toEqual([])
}

test('a member that a test runs ends with the test', async () => {
  cluster = await TestCluster.create(1, 64)
  const running = spawnMember(cluster, 1)
  await eventually('acknowledgements', () => acknowledged([running]).length > 0)
  const closed = new Promise((resolve) => running.child.once('close', resolve))
  running.child.stdin?.end()
  expect(await closed).toBe(0)
})

test('kill -9 loses nothing that was acknowledged, whatever was being written or sealed', async () => {
  cluster = await TestCluster.create(1, 64)
  const runs: Running[] = []
  let entries = 0
  for (let cycle = 0; cycle < 7; cycle += 1) {
    const running = spawnMember(cluster, 1)
    runs.push(running)
    const least = randomInt(1, 150)
    await eventually('acknowledgements', () => acknowledged([running]).length >= least)
    await kill(running.child)
    const found = await stored(cluster.optionsOf(1).directory)
    expectNothingLost(acknowledged(runs), found)
    expect(found.size).toBeGreaterThan(entries)
    entries = found.size
  }
})

test('kill -9 of the leader: the others go on within two election timeouts and have all that was acknowledged', async () => {
  cluster = await TestCluster.create(3, 64)
  const of = cluster
  const members = [1, 2, 3].map((member) => spawnMember(of, member))
  const all = [...members]
  const gaps: number[] = []
  for (let cycle = 0; cycle < 5; cycle += 1) {
    const leader = await eventually('a leader that writes', () => leading(members))
    const before = leader.events.length
    await eventually('more acknowledgements', () => leader.events.length > before + 20)
    const others = members.filter((running) => running !== leader)
    const counts = others.map(({ events }) => events.length)
    const began = performance.now()
    await kill(leader.child)
    await eventually('the others to go on', () =>
      others.some(({ events }, position) =>
        events.slice(counts[position]).some(({ event }) => event === 'acknowledged'),
      ),
    )
    gaps.push(performance.now() - began)
    const restarted = spawnMember(of, leader.member)
    members.splice(members.indexOf(leader), 1, restarted)
    all.push(restarted)
  }
  gaps.sort((a, b) => a - b)
  expect(gaps[2]).toBeLessThan(2 * electionTimeoutMillisecondsMax)
  expect(gaps[4]).toBeLessThan(5 * electionTimeoutMillisecondsMax)
  const leader = await eventually('a leader that writes', () => leading(members))
  const before = leader.events.length
  await eventually('more acknowledgements', () => leader.events.length > before + 20)
  await Promise.all(members.map(({ child }) => kill(child)))

  const logs = await Promise.all(of.options.map(({ directory }) => stored(directory)))
  const indexes = acknowledged(all)
  expect(indexes.length).toBeGreaterThan(100)
  const holders = indexes.map((index) => logs.filter((log) => log.get(index) === `entry ${index}`).length)
  expect(Math.min(...holders)).toBeGreaterThanOrEqual(2)
})

test('a leader that was stopped for a while steps down, and nothing it had acknowledged is lost', async () => {
  cluster = await TestCluster.create(3, 64)
  const of = cluster
  const members = [1, 2, 3].map((member) => spawnMember(of, member))
  const leader = await eventually('a leader that writes', () => leading(members))
  leader.child.kill('SIGSTOP')
  const others = members.filter((running) => running !== leader)
  const next = await eventually('another leader', () => leading(others))
  const term = lastTerm(next)
  expect(term).toBeGreaterThan(lastTerm(leader))
  leader.child.kill('SIGCONT')
  await eventually('the old leader to step down', () =>
    leader.events.some(({ event }) => event === 'rejected'),
  )
  const before = next.events.length
  await eventually('the new leader to go on', () => next.events.length > before + 20)
  expect(lastTerm(next)).toBe(term)
  await Promise.all(members.map(({ child }) => kill(child)))
  const logs = await Promise.all(of.options.map(({ directory }) => stored(directory)))
  const indexes = acknowledged(members)
  const holders = indexes.map((index) => logs.filter((log) => log.get(index) === `entry ${index}`).length)
  expect(Math.min(...holders)).toBeGreaterThanOrEqual(2)
})

/** The member of the newest term that acknowledges entries in it. */
function leading(members: readonly Running[]): Running | undefined {
  const newest = members.reduce((a, b) => (lastTerm(b) > lastTerm(a) ? b : a))
  return newest.child.exitCode === null && newest.events.at(-1)?.event === 'acknowledged' ? newest : undefined
}

function lastTerm({ events }: Running): number {
  const ready = events.findLast(({ event }) => event === 'ready')
  return ready?.event === 'ready' ? ready.term : 0
}
