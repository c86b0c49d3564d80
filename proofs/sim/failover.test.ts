import { describe, expect, test } from 'vitest'
import type { SimulatedMember } from './member.ts'
import type { Profile } from './options.ts'
import { soundDisk, tickUnits } from './options.ts'
import { World } from './world.ts'

const electionTicks = 10
/** Two election timeouts, upper end of the range, in units of time. */
const limit = 2 * 2 * electionTicks * tickUnits

const calm: Profile = {
  electionTicks,
  heartbeatTicks: 2,
  limits: {},
  network: { lossProbability: 0, duplicateProbability: 0, delayMax: 4 },
  disk: soundDisk,
  diskSlowness: 4,
  faultInterval: 1,
  clientInterval: 1,
  readShare: 0,
  applyDelayMax: 1,
  turnMax: 0,
  favourite: 'crashes',
  favouriteShare: 0,
  isNew: false,
}

function leaderOf(world: World): SimulatedMember | undefined {
  return world.members.find((member) => member.leadingTerm !== 0)
}

function runUntil(world: World, isDone: () => boolean, deadline: number): void {
  while (!isDone() && world.schedule.now <= deadline) world.schedule.step()
}

/** How long the others need to elect a leader once the first one has crashed. */
function failoverTime(seed: number, members: number): number {
  const world = new World(seed, members, false, calm)
  runUntil(world, () => leaderOf(world) !== undefined, 10 * limit)
  const settled = world.schedule.now + world.random.between(200, 400)
  runUntil(world, () => false, settled)
  const first = leaderOf(world)
  expect(first, `seed ${seed} elected nobody`).toBeDefined()
  first?.crash()
  const crashed = world.schedule.now
  runUntil(world, () => leaderOf(world) !== undefined, crashed + 10 * limit)
  return world.schedule.now - crashed
}

describe('after the leader crashes', () => {
  test.each([3, 5])('the others of %i elect within two election timeouts, whatever the seed', (members) => {
    const times = Array.from({ length: 1_000 }, (_, seed) => failoverTime(seed, members))
    times.sort((left, right) => left - right)
    expect(times.at(-1)).toBeLessThanOrEqual(limit)
    expect(times[times.length / 2]).toBeLessThanOrEqual(limit / 2)
  })
})

describe('a leader whose disk is slow', () => {
  test('keeps its leadership: heartbeats do not wait for a sync', () => {
    const world = new World(1, 3, false, calm)
    runUntil(world, () => leaderOf(world) !== undefined, 10 * limit)
    const leader = leaderOf(world)
    expect(leader).toBeDefined()
    runUntil(world, () => false, world.schedule.now + 100)
    const elections = world.counters.elections
    for (const member of world.members) member.disk.slowness = 50 * electionTicks * tickUnits
    leader?.propose(leader.leadingTerm, leader.log.length + 1, [
      { id: 1, payload: new Uint8Array([0, 0, 0, 1]) },
    ])
    runUntil(world, () => world.counters.acknowledged > 0, world.schedule.now + 100 * limit)
    expect(world.counters.acknowledged).toBe(1)
    expect(world.counters.elections).toBe(elections)
    expect(leaderOf(world)).toBe(leader)
  })
})
