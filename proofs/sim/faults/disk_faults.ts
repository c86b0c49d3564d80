import { type Action, drawMember } from '../action.ts'
import { rot, rotKinds } from '../disk/rot.ts'
import type { Random } from '../random.ts'
import type { World } from '../world.ts'

const slowDisk: Action = {
  name: 'slow disk',
  draw: (world, random) => [drawMember(world, random), random.pick([1, 20, 200])],
  apply(world, [id = 0, slowness = 0]) {
    world.count('slow disk')
    const member = world.members[id - 1]
    if (member !== undefined) member.disk.slowness = slowness
  },
  describe: ([id, slowness]) => `the disk of ${id} takes up to ${slowness} a sync`,
}

/**
 * A member, what of its disk, and where. An older group comes back only where a crash left one unfinished, so such a member is
 * preferred.
 */
function drawPlace(world: World, random: Random): readonly number[] {
  const replaced = world.members.filter(({ disk }) => disk.medium.replaced.length > 0)
  if (replaced.length > 0 && random.chance(0.3)) {
    return [random.pick(replaced).id, rotKinds.length - 1, random.between(0, 999)]
  }
  return [drawMember(world, random), random.between(0, rotKinds.length - 1), random.between(0, 999)]
}

/** Found when the entry is read, or at the next start, which comes some time later. */
const bitRot: Action = {
  name: 'bit rot',
  draw: (world, random) => [
    ...drawPlace(world, random),
    random.chance(0.5) ? random.between(1, 12) : random.between(1, 1_000),
    random.between(1, 300),
  ],
  apply(world, [id = 0, kind = 0, place = 0, units = 0, down = 0]) {
    const member = world.members[id - 1]
    if (member === undefined || !member.isSound || !member.mayDamage) return
    if (!rot(member.disk, kind, place)) return
    world.count('bit rot')
    const { incarnation } = member
    world.schedule.after(units, () => {
      if (member.incarnation === incarnation) member.crash()
      member.startAfter(down)
    })
  },
  describe: ([id, kind = 0, place, units, down]) =>
    `a bit of the disk of ${id} flips: ${rotKinds[kind]} (${place}); ${id} crashes ${units} later, for ${down}`,
}

export const diskFaults = { slowDisk, bitRot }
