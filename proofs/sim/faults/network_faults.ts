import { type Action, drawMember, drawSome, isAmong, list } from '../action.ts'
import type { World } from '../world.ts'

function cutBoth(world: World, left: number, right: number): void {
  if (left === right) return
  world.network.cut(left, right)
  world.network.cut(right, left)
}

const partition: Action = {
  name: 'partition',
  draw: (world, random) => [drawSome(world, random, 0.5)],
  apply(world, [bits = 0]) {
    world.count('partition')
    for (const left of world.memberIds) {
      for (const right of world.memberIds) {
        if (isAmong(bits, left) && !isAmong(bits, right)) cutBoth(world, left, right)
      }
    }
  },
  describe: ([bits = 0]) => `a partition: ${list(bits)} and the rest hear nothing of each other`,
}

const isolation: Action = {
  name: 'isolation',
  draw: (world, random) => [drawMember(world, random)],
  apply(world, [id = 0]) {
    world.count('isolation')
    for (const other of world.memberIds) cutBoth(world, id, other)
  },
  describe: ([id]) => `${id} is isolated`,
}

const cutOneWay: Action = {
  name: 'cut in one direction',
  draw: (world, random) => [
    drawMember(world, random),
    Number(random.chance(0.5)),
    drawSome(world, random, 0.7),
  ],
  apply(world, [id = 0, isOutward = 0, bits = 0]) {
    world.count('cut in one direction')
    for (const other of world.memberIds) {
      if (other === id || !isAmong(bits, other)) continue
      if (isOutward === 1) world.network.cut(id, other)
      else world.network.cut(other, id)
    }
  },
  describe: ([id, isOutward, bits = 0]) =>
    isOutward === 1
      ? `what ${id} sends to ${list(bits)} is lost`
      : `what ${list(bits)} send to ${id} is lost`,
}

const clog: Action = {
  name: 'clog',
  draw: (world, random) => [
    drawMember(world, random),
    random.chance(0.5) ? drawSome(world, random, 1) : 1 << drawMember(world, random),
    random.between(50, 3_000),
  ],
  apply(world, [from = 0, bits = 0, units = 0]) {
    world.count('clog')
    for (const to of world.memberIds) {
      if (!isAmong(bits, to)) continue
      world.network.clog(from, to)
      world.schedule.after(units, () => world.network.unclog(from, to))
    }
  },
  describe: ([from, bits = 0, units]) => `what ${from} sends to ${list(bits)} is held up for ${units}`,
}

/** What others sent comes late, and nothing goes out: a leader that hears answers of long ago. */
const lateAnswers: Action = {
  name: 'late answers',
  draw: (world, random) => [drawMember(world, random), random.between(10, 400)],
  apply(world, [id = 0, units = 0]) {
    world.count('clog')
    world.count('cut in one direction')
    for (const other of world.memberIds) {
      if (other === id) continue
      world.network.cut(id, other)
      world.network.clog(other, id)
      world.schedule.after(units, () => world.network.unclog(other, id))
    }
  },
  describe: ([id, units]) => `what ${id} sends is lost, and what is sent to it is held up for ${units}`,
}

const heal: Action = {
  name: 'heal',
  draw: () => [],
  apply: (world) => world.network.heal(),
  describe: () => 'all links are mended',
}

export const networkFaults = { partition, isolation, cutOneWay, clog, lateAnswers, heal }
