import { type Action, drawMember } from '../action.ts'
import type { SimulatedMember } from '../member.ts'
import type { Random } from '../random.ts'
import type { World } from '../world.ts'

const crash: Action = {
  name: 'crash',
  draw: (world, random) => [drawMember(world, random), random.between(1, 300)],
  apply(world, [id = 0, units = 0]) {
    world.count('crash')
    world.members[id - 1]?.crash()
    world.members[id - 1]?.startAfter(units)
  },
  describe: ([id, units]) => `${id} crashes, for ${units}`,
}

const restart: Action = {
  name: 'restart',
  draw: (world, random) => [drawMember(world, random)],
  apply(world, [id = 0]) {
    world.count('restart')
    world.members[id - 1]?.crash()
    world.members[id - 1]?.start()
  },
  describe: ([id]) => `${id} crashes, and starts at once`,
}

const crashAll: Action = {
  name: 'crash of all',
  draw: (world, random) => world.memberIds.map(() => random.between(1, 100)),
  apply(world, numbers) {
    world.count('crash of all')
    for (const [position, member] of world.members.entries()) {
      member.crash()
      member.startAfter(numbers[position] ?? 1)
    }
  },
  describe: (numbers) => `all crash, for ${numbers.join(', ')}`,
}

const pause: Action = {
  name: 'pause',
  draw: (world, random) => [drawMember(world, random), random.between(10, 600)],
  apply(world, [id = 0, units = 0]) {
    world.count('pause')
    const member = world.members[id - 1]
    if (member === undefined) return
    const { incarnation } = member
    member.pause()
    world.schedule.after(units, () => {
      if (member.incarnation === incarnation) member.resume()
    })
  },
  describe: ([id, units]) => `${id} is stopped (SIGSTOP) for ${units}`,
}

const drawWipe = (random: Random): readonly number[] => [
  Number(random.chance(0.3)),
  random.pick([1, 10, 300]),
]

/** An operator may take `format` for `recover`: that must do no harm. */
function wipeMember(member: SimulatedMember, isFormatted: number, units: number): boolean {
  if (!member.mayDamage) return false
  member.wipe(isFormatted === 1 ? 'founding' : 'recovering')
  member.startAfter(units)
  return true
}

const wipe: Action = {
  name: 'wipe',
  draw: (world, random) => [drawMember(world, random), ...drawWipe(random)],
  apply(world, [id = 0, isFormatted = 0, units = 0]) {
    const member = world.members[id - 1]
    if (member === undefined || world.members.length === 1) return
    if (wipeMember(member, isFormatted, units)) world.count('wipe')
  },
  describe: ([id, isFormatted, units]) =>
    `the disk of ${id} is lost; ${isFormatted === 1 ? 'format' : 'recover'} makes a blank one, and ${id} starts after ${units}`,
}

/** The wiped member comes back where it hears one other alone, who may be behind, too. */
const wipeOutOfSight: Action = {
  name: 'wipe out of sight',
  draw: (world, random) => [drawMember(world, random), random.pick(world.memberIds), ...drawWipe(random)],
  apply(world, [id = 0, heard = 0, isFormatted = 0, units = 0]) {
    const member = world.members[id - 1]
    if (member === undefined || world.members.length === 1) return
    cutAllBut(world, id, heard)
    if (wipeMember(member, isFormatted, units)) world.count('wipe out of sight')
  },
  describe: ([id, heard, isFormatted, units]) =>
    `the disk of ${id} is lost, and all its links but that to ${heard}; ${isFormatted === 1 ? 'format' : 'recover'} makes a blank one, and ${id} starts after ${units}`,
}

function cutAllBut(world: World, id: number, heard: number): void {
  for (const other of world.memberIds) {
    if (other === heard || other === id) continue
    world.network.cut(id, other)
    world.network.cut(other, id)
  }
  world.network.restore(id, heard)
}

const transfer: Action = {
  name: 'transfer',
  draw: (world, random) => [random.pick(world.memberIds)],
  apply(world, [to = 0]) {
    for (const member of world.members) if (member.leadingTerm !== 0) member.transferLeadership(to)
  },
  describe: ([to]) => `whoever leads is told to hand over to ${to}`,
}

/** The order to campaign arrives when the leader has long given the transfer up. */
const lateTransfer: Action = {
  name: 'late transfer',
  draw: (world, random) => [random.pick(world.memberIds), random.between(50, 600)],
  apply(world, [to = 0, units = 0]) {
    const leader = world.members.findLast(({ leadingTerm }) => leadingTerm !== 0)
    if (leader === undefined) return
    world.count('clog')
    world.network.clog(leader.id, to)
    world.schedule.after(units, () => world.network.unclog(leader.id, to))
    leader.transferLeadership(to)
  },
  describe: ([to, units]) =>
    `whoever leads is told to hand over to ${to}, and what it sends there is held up for ${units}`,
}

export const processFaults = { crash, restart, crashAll, pause, wipe, wipeOutOfSight, transfer, lateTransfer }
