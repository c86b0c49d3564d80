import { InvariantError } from '../../log/raft/invariant.ts'
import { Clients } from './clients.ts'
import { Faults } from './faults.ts'
import { Violation } from './invariant.ts'
import type { SimulatedMember } from './member.ts'
import type { SimulationOptions } from './options.ts'
import { tickUnits } from './options.ts'
import type { Counters } from './world.ts'
import { World } from './world.ts'

export interface SimulationResult {
  readonly seed: number
  readonly members: number
  readonly success: boolean
  readonly steps: number
  /** Of everything that happened: the same seed gives the same hash. */
  readonly hash: string
  readonly counters: Counters
  /** The broken property and how it showed; null when all held. */
  readonly failure: { readonly invariant: string; readonly message: string } | null
  readonly trace: readonly string[]
}

/** How long healed members may take, in election timeouts (upper end of the range). */
const livenessTimeouts = 40

/**
 * One simulation: first faults, then a healed majority that must commit and read, then all members, which must
 * agree. The same seed and options give the same trace. A broken property is in the result; only a fault of the
 * simulation itself is thrown.
 */
export function run(seed: number, options: SimulationOptions): SimulationResult {
  const world = new World(seed, options.members, options.keepsTrace)
  let steps = 0
  let failure: SimulationResult['failure'] = null
  const step = (): void => {
    steps += 1
    world.schedule.step()
  }
  try {
    play(world, options.safetySteps, step)
  } catch (error) {
    if (error instanceof Violation) failure = { invariant: error.invariant, message: error.message }
    else if (error instanceof InvariantError) failure = { invariant: 'core', message: error.message }
    else throw error
  }
  const { trace, counters } = world
  const success = failure === null
  return {
    seed,
    members: options.members,
    success,
    steps,
    hash: trace.hash,
    counters,
    failure,
    trace: trace.lines,
  }
}

function play(world: World, safetySteps: number, step: () => void): void {
  const clients = new Clients(world)
  const faults = new Faults(world)
  clients.run()
  faults.run()
  for (let count = 0; count < safetySteps; count += 1) step()

  // Who has lost its disk needs the others for a vote; a majority may be all that is left in what follows.
  const areVoters = (): boolean => world.members.every((member) => member.isVoter)
  if (!areVoters()) {
    faults.stop(world.members)
    waitFor(world, step, areVoters, 'healed members did not all become voters')
  }
  const majority = drawMajority(world)
  faults.stop(majority)
  const firstId = clients.lastId + 1
  const readsBefore = world.counters.reads
  const hasWorked = (): boolean => world.lastAcknowledgedId >= firstId && world.counters.reads > readsBefore
  waitFor(world, step, hasWorked, 'a healed majority committed or read nothing')

  for (const member of world.members) member.start()
  clients.stop()
  const haveConverged = (): boolean => {
    const length = world.history.lastIndex
    return world.members.every((member) => member.isSettledAt(length))
  }
  waitFor(world, step, haveConverged, 'healed members did not converge')
  for (const invariant of world.invariants) invariant.converged?.(world.members)
}

function waitFor(world: World, step: () => void, isDone: () => boolean, complaint: string): void {
  const deadline = world.schedule.now + livenessTimeouts * 2 * world.profile.electionTicks * tickUnits
  while (!isDone()) {
    if (world.schedule.now > deadline) throw new Violation('liveness', complaint)
    for (let count = 0; count < 20; count += 1) step()
  }
}

function drawMajority(world: World): SimulatedMember[] {
  const members = [...world.members]
  const quorum = Math.floor(members.length / 2) + 1
  while (members.length > quorum) members.splice(world.random.between(0, members.length - 1), 1)
  return members
}
