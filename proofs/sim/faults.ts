import type { SimulatedMember } from './member.ts'
import { tickUnits } from './options.ts'
import type { World } from './world.ts'

type Fault = (world: World) => void

/** Breaks things, and mends some, at random times until it is stopped. */
export class Faults {
  readonly #world: World
  #isStopped = false

  constructor(world: World) {
    this.#world = world
  }

  run(): void {
    const { schedule, random, profile, counters } = this.#world
    schedule.after(random.between(1, 2 * profile.faultInterval), () => {
      if (this.#isStopped) return
      counters.faults += 1
      const isWipe = random.chance(profile.wipeShare)
      random.pick(isWipe ? wipes : faults)(this.#world)
      this.run()
    })
  }

  /** Heals everything that members in `majority` need among themselves; the others stay down. */
  stop(majority: readonly SimulatedMember[]): void {
    this.#isStopped = true
    const { network, members, profile } = this.#world
    network.heal()
    for (const from of members) for (const to of members) network.unclog(from.id, to.id)
    network.faults = { lossProbability: 0, duplicateProbability: 0, delayMax: 5 }
    for (const member of members) {
      member.resume()
      member.tickPeriod = tickUnits
      member.disk.slowness = Math.min(profile.diskSlowness, 5)
      if (majority.includes(member)) member.start()
      else member.crash()
    }
  }
}

function anyMember(world: World): SimulatedMember {
  const leaders = world.members.filter((member) => member.leadingTerm !== 0)
  return world.random.pick(leaders.length > 0 && world.random.chance(0.4) ? leaders : world.members)
}

/** Crashes and restarts are the most telling, so they are named more than once. */
const faults: readonly Fault[] = [
  crashAndRestart,
  crashAndRestart,
  crashAndRestart,
  crashAll,
  wipe,
  wipeOutOfSight,
  pauseForAWhile,
  pauseForAWhile,
  partition,
  partition,
  isolate,
  cutOneWay,
  cutOneWay,
  clog,
  clog,
  heal,
  heal,
  slowDisk,
  driftClock,
  transfer,
  transfer,
]

const wipes: readonly Fault[] = [wipe, wipeOutOfSight, wipeOutOfSight]

function crashAndRestart(world: World): void {
  const member = anyMember(world)
  member.crash()
  world.schedule.after(world.random.between(1, 300), () => member.start())
}

function crashAll(world: World): void {
  for (const member of world.members) {
    member.crash()
    world.schedule.after(world.random.between(1, 100), () => member.start())
  }
}

/**
 * A disk is lost, as often as enough voters are left to elect a leader: with fewer the cluster could not go on, and
 * must not. An operator may take `format` for `recover`: that must do no harm.
 */
function wipe(world: World): void {
  wipeMember(world, anyMember(world))
}

/** The wiped member comes back where it hears one other alone, who may be behind, too. */
function wipeOutOfSight(world: World): void {
  const member = anyMember(world)
  const heard = world.random.pick(world.members)
  for (const other of world.members) {
    if (other === heard) continue
    world.network.cut(member.id, other.id)
    world.network.cut(other.id, member.id)
  }
  world.network.restore(member.id, heard.id)
  wipeMember(world, member)
}

function wipeMember(world: World, member: SimulatedMember): void {
  const voters = world.members.filter((other) => other !== member && other.isVoter).length
  if (voters < Math.floor(world.members.length / 2) + 1) return
  member.wipe(world.random.chance(0.3) ? 'founding' : 'recovering')
  world.schedule.after(world.random.pick([1, 10, 300]), () => member.start())
}

function pauseForAWhile(world: World): void {
  const member = anyMember(world)
  const { incarnation } = member
  member.pause()
  world.schedule.after(world.random.between(10, 600), () => {
    if (member.incarnation === incarnation) member.resume()
  })
}

function partition(world: World): void {
  const left = world.members.filter(() => world.random.chance(0.5))
  for (const one of left) {
    for (const other of world.members) {
      if (left.includes(other)) continue
      world.network.cut(one.id, other.id)
      world.network.cut(other.id, one.id)
    }
  }
}

function isolate(world: World): void {
  const member = anyMember(world)
  for (const other of world.members) {
    world.network.cut(member.id, other.id)
    world.network.cut(other.id, member.id)
  }
}

function cutOneWay(world: World): void {
  const member = anyMember(world)
  const isOutward = world.random.chance(0.5)
  for (const other of world.members) {
    if (world.random.chance(0.3)) continue
    if (isOutward) world.network.cut(member.id, other.id)
    else world.network.cut(other.id, member.id)
  }
}

/** From one member to another, or to all of them. */
function clog(world: World): void {
  const { random, network, members, schedule } = world
  const from = anyMember(world)
  const isAll = random.chance(0.5)
  for (const to of isAll ? members : [anyMember(world)]) {
    network.clog(from.id, to.id)
    schedule.after(random.between(50, 3_000), () => network.unclog(from.id, to.id))
  }
}

function heal(world: World): void {
  world.network.heal()
}

function slowDisk(world: World): void {
  const { disk } = anyMember(world)
  disk.slowness = world.random.pick([1, 20, 200])
}

/** Clocks run at 0.4 to 2.5 times the right speed, or nearly stop. */
function driftClock(world: World): void {
  anyMember(world).tickPeriod = world.random.pick([4, 7, 10, 15, 25, 400])
}

function transfer(world: World): void {
  for (const member of world.members) {
    if (member.leadingTerm !== 0) member.transferLeadership(world.random.pick(world.memberIds))
  }
}
