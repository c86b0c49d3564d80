import type { Random } from './random.ts'
import type { World } from './world.ts'

/** Something that is done to the members: a fault, or what a client asks. All that is to be known of it is in its numbers. */
export interface Action {
  readonly name: string
  readonly draw: (world: World, random: Random) => readonly number[]
  readonly apply: (world: World, numbers: readonly number[]) => void
  /** For people. */
  readonly describe: (numbers: readonly number[]) => string
}

/** What was done, and when: enough to do it again. */
export interface Decision {
  /** In units of time. */
  readonly at: number
  readonly action: string
  readonly numbers: readonly number[]
}

/** Leaders more often than others: that is where faults tell most. */
export function drawMember(world: World, random: Random): number {
  const leaders = world.members.filter((member) => member.leadingTerm !== 0)
  return random.pick(leaders.length > 0 && random.chance(0.4) ? leaders : world.members).id
}

/** Some of the members, as the bits of a number. */
export function drawSome(world: World, random: Random, share: number): number {
  let bits = 0
  for (const id of world.memberIds) if (random.chance(share)) bits |= 1 << id
  return bits
}

export function isAmong(bits: number, id: number): boolean {
  return (bits & (1 << id)) !== 0
}

export function list(bits: number): string {
  const ids = [1, 2, 3, 4, 5].filter((id) => isAmong(bits, id))
  return ids.length === 0 ? 'nobody' : ids.join(' ')
}
