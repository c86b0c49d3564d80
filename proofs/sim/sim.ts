import { InvariantError } from '../../log/raft/invariant.ts'
import type { Decision } from './action.ts'
import { drawRequest } from './clients.ts'
import { Director, drawn, scripted } from './director.ts'
import type { FaultCounts } from './fault_counts.ts'
import { drawFault } from './faults/all.ts'
import { Violation } from './invariant.ts'
import type { SimulatedMember } from './member.ts'
import { calmNetwork } from './network.ts'
import type { Profile, SimulationOptions } from './options.ts'
import { soundDisk, tickUnits } from './options.ts'
import { Random } from './random.ts'
import type { Counters } from './world.ts'
import { streams, World } from './world.ts'

/** What to do in place of what the seed draws. */
export interface Script {
  readonly profile: Profile
  /** In order of time. */
  readonly decisions: readonly Decision[]
  /** When everything is healed, in units of time. */
  readonly until: number
  /** Which chances the network and the members have with the same decisions. */
  readonly variant: number
}

export interface SimulationResult {
  readonly seed: number
  readonly members: SimulationOptions['members']
  readonly success: boolean
  readonly steps: number
  /** Of everything that happened: the same seed gives the same hash. */
  readonly hash: string
  readonly counters: Counters
  readonly faults: Readonly<FaultCounts>
  /** The broken property and how it showed; null when all held. */
  readonly failure: { readonly invariant: string; readonly message: string } | null
  /** What does the same again. */
  readonly script: Script
  readonly trace: readonly string[]
}

/** How long healed members may take, in election timeouts (upper end of the range). */
const livenessTimeouts = 40

/**
 * One simulation: first faults, then a healed majority that must commit and read, then all members, which must
 * agree. The same seed and options give the same trace. A broken property is in the result; only a fault of the
 * simulation itself is thrown.
 */
export function run(
  seed: number,
  options: SimulationOptions,
  script: Script | null = null,
): SimulationResult {
  const { members, keepsTrace } = options
  const world = new World(seed, members, keepsTrace, script?.profile, script?.variant)
  const play = new Play(world, seed, options, script)
  let failure: SimulationResult['failure'] = null
  try {
    play.run()
  } catch (error) {
    if (error instanceof Violation) failure = { invariant: error.invariant, message: error.message }
    else if (error instanceof InvariantError) failure = { invariant: 'core', message: error.message }
    else throw error
  }
  const { trace, counters, faultCounts, profile } = world
  const { steps, decisions, healedAt } = play
  return {
    seed,
    members,
    success: failure === null,
    steps,
    hash: trace.hash,
    counters,
    faults: faultCounts,
    failure,
    script: { profile, decisions, until: healedAt ?? world.schedule.now, variant: script?.variant ?? 0 },
    trace: trace.lines,
  }
}

/** The phases of one simulation. */
class Play {
  readonly #world: World
  readonly #seed: number
  readonly #options: SimulationOptions
  readonly #script: Script | null
  readonly decisions: Decision[] = []
  steps = 0
  healedAt: number | null = null

  constructor(world: World, seed: number, options: SimulationOptions, script: Script | null) {
    this.#world = world
    this.#seed = seed
    this.#options = options
    this.#script = script
  }

  run(): void {
    const world = this.#world
    this.#underFaults()
    const afterwards = this.#director(streams.clientsAfterwards, null)
    afterwards.run(() => undefined)

    // Who has lost its disk needs the others for a vote; a majority may be all that is left in what follows.
    const areVoters = (): boolean => world.members.every((member) => member.isVoter && member.isSound)
    if (!areVoters()) {
      this.#heal(world.members)
      this.#waitFor(areVoters, 'healed members did not all become voters')
    }
    this.#heal(this.#drawMajority())
    const firstId = world.lastProposedId + 1
    const readsBefore = world.counters.reads
    this.#waitFor(
      () => world.lastAcknowledgedId >= firstId && world.counters.reads > readsBefore,
      'a healed majority committed or read nothing',
    )

    for (const member of world.members) {
      member.isOff = false
      member.start()
    }
    afterwards.stop()
    this.#waitFor(() => {
      const length = world.history.lastIndex
      return world.members.every((member) => member.isSettledAt(length))
    }, 'healed members did not converge')
    for (const invariant of world.invariants) invariant.converged?.(world.members)
  }

  #underFaults(): void {
    const { schedule } = this.#world
    const clients = this.#director(streams.clients, this.#script)
    const faults = this.#faults(this.#script)
    const record = (decision: Decision): void => {
      this.decisions.push(decision)
    }
    clients.run(record)
    faults.run(record)
    const until = this.#script?.until ?? Number.MAX_SAFE_INTEGER
    while (this.steps < this.#options.safetySteps && schedule.nextTime <= until) this.#step()
    clients.stop()
    faults.stop()
    this.healedAt = schedule.now
  }

  #director(stream: number, script: Script | null): Director {
    const world = this.#world
    if (script !== null) return new Director(world, scripted(world, script.decisions, true))
    const { clientInterval, readShare } = world.profile
    const random = new Random(this.#seed, stream)
    const choose = (): Omit<Decision, 'at'> => {
      const action = drawRequest(random, readShare)
      return { action: action.name, numbers: action.draw(world, random) }
    }
    return new Director(world, drawn(world, random, clientInterval, choose))
  }

  #faults(script: Script | null): Director {
    const world = this.#world
    if (script !== null) return new Director(world, scripted(world, script.decisions, false))
    const { faultInterval } = world.profile
    const random = new Random(this.#seed, streams.faults)
    const choose = (): Omit<Decision, 'at'> => {
      const action = drawFault(random, world.profile)
      return { action: action.name, numbers: action.draw(world, random) }
    }
    return new Director(world, drawn(world, random, faultInterval, choose))
  }

  #step(): void {
    this.steps += 1
    this.#world.schedule.step()
  }

  /** Heals everything that members in `majority` need among themselves; the others stay down. */
  #heal(majority: readonly SimulatedMember[]): void {
    const { network, members, profile } = this.#world
    this.#world.trace.note(() => `${this.#world.schedule.now}  all is healed`)
    network.heal()
    for (const from of members) for (const to of members) network.unclog(from.id, to.id)
    network.faults = calmNetwork
    for (const member of members) {
      member.resume()
      member.clock.period = tickUnits
      member.clock.stopsUntil = 0
      member.disk.slowness = Math.min(profile.diskSlowness, 5)
      member.disk.faults = soundDisk
      member.isOff = !majority.includes(member)
      // What is damaged is found by a start.
      if (member.isOff || !member.isSound) member.crash()
      member.start()
    }
  }

  #waitFor(isDone: () => boolean, complaint: string): void {
    const { schedule, profile } = this.#world
    const deadline = schedule.now + livenessTimeouts * 2 * profile.electionTicks * tickUnits
    while (!isDone()) {
      if (schedule.now > deadline) throw new Violation('liveness', complaint)
      this.#step()
    }
  }

  #drawMajority(): SimulatedMember[] {
    const { random, members } = this.#world
    const majority = [...members]
    const quorum = Math.floor(majority.length / 2) + 1
    while (majority.length > quorum) majority.splice(random.between(0, majority.length - 1), 1)
    return majority
  }
}
