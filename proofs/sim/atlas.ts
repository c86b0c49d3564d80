import type { SimulatedMember } from './member.ts'

/**
 * Where damage may still fall. A member with a damaged disk is lost as a whole: it does not start, and recovers from the others.
 * So what is damaged, blank or recovering is bounded to a minority, and of every committed entry a good copy is left
 * (invariants/good_copy.ts looks whether it is). A member alone may always be damaged: a copy of its disk is somewhere.
 */
export function mayDamage(members: readonly SimulatedMember[], member: SimulatedMember): boolean {
  if (members.length === 1) return true
  const sound = members.filter((other) => other !== member && other.isVoter && other.isSound)
  return sound.length >= Math.floor(members.length / 2) + 1
}
