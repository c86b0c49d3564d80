import { type Action, drawMember } from '../action.ts'

/** Clocks run at 0.4 to 2.5 times the right speed, or nearly stop. */
const drift: Action = {
  name: 'drift',
  draw: (world, random) => [drawMember(world, random), random.pick([4, 7, 10, 15, 25, 400])],
  apply(world, [id = 0, period = 10]) {
    world.count('drift')
    const member = world.members[id - 1]
    if (member !== undefined) member.clock.period = period
  },
  describe: ([id, period]) => `the clock of ${id} ticks every ${period} from now on`,
}

/** Forward: many ticks at once. Backward: none for a while. More than log/ticker.ts lets through. */
const step: Action = {
  name: 'step',
  draw: (world, random) => [
    drawMember(world, random),
    random.chance(0.6) ? random.between(1, 3 * world.profile.electionTicks) : -random.between(1, 40),
  ],
  apply(world, [id = 0, ticks = 0]) {
    world.count('step')
    const member = world.members[id - 1]
    if (member === undefined) return
    for (let count = 0; count < ticks; count += 1) member.tick()
    if (ticks < 0) member.clock.stopsUntil = world.schedule.now - ticks * member.clock.period
  },
  describe: ([id, ticks = 0]) =>
    `the clock of ${id} steps ${ticks < 0 ? 'back' : 'forward'} by ${Math.abs(ticks)} ticks`,
}

const stop: Action = {
  name: 'stop',
  draw: (world, random) => [drawMember(world, random), random.between(100, 5_000)],
  apply(world, [id = 0, units = 0]) {
    world.count('stop')
    const member = world.members[id - 1]
    if (member !== undefined) member.clock.stopsUntil = world.schedule.now + units
  },
  describe: ([id, units]) => `the clock of ${id} stops for ${units}`,
}

export const clockFaults = { drift, step, stop }
