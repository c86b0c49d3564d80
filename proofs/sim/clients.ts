import type { Action } from './action.ts'
import { payloadOf } from './history.ts'
import type { SimulatedMember } from './member.ts'
import type { Random } from './random.ts'
import type { World } from './world.ts'

/** Payload ids are used once. A client may believe in a term and an index that are not the present ones. */
const propose: Action = {
  name: 'propose',
  draw(world, random) {
    const isRightlyFenced = random.chance(0.9)
    const sizes = Array.from({ length: random.between(1, 4) }, () => random.between(4, 40))
    return [
      drawTarget(world, random),
      isRightlyFenced ? 0 : random.between(0, 1),
      isRightlyFenced ? 0 : random.between(-3, 2),
      ...sizes,
    ]
  },
  apply(world, [id = 0, termsBehind = 0, indexOffset = 0, ...sizes]) {
    const member = world.members[id - 1]
    if (member === undefined) return
    const payloads = sizes.map((bytes) => {
      world.lastProposedId += 1
      return { id: world.lastProposedId, payload: payloadOf(world.lastProposedId, bytes) }
    })
    const firstIndex = member.lastIndex + 1 + indexOffset
    if (firstIndex >= 1) member.propose(member.leadingTerm - termsBehind, firstIndex, payloads)
  },
  describe([id, termsBehind, indexOffset, ...sizes]) {
    const isRight = termsBehind === 0 && indexOffset === 0
    const entries = sizes.length === 1 ? '1 entry' : `${sizes.length} entries`
    return `a client proposes ${entries} to ${id}${isRight ? '' : ', with a wrong fence'}`
  },
}

const read: Action = {
  name: 'read',
  draw: (world, random) => [drawTarget(world, random)],
  apply: (world, [id = 0]) => world.members[id - 1]?.read(),
  describe: ([id]) => `a client asks ${id} for a read`,
}

export const clientActions: readonly Action[] = [propose, read]

export function drawRequest(random: Random, readShare: number): Action {
  return random.chance(readShare) ? read : propose
}

/** Mostly a leader. */
function drawTarget(world: World, random: Random): number {
  const leaders = world.members.filter((member: SimulatedMember) => member.leadingTerm !== 0)
  return random.pick(leaders.length > 0 && random.chance(0.9) ? leaders : world.members).id
}
