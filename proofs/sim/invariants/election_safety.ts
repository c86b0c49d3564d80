import type { Invariant } from '../invariant.ts'
import { Violation } from '../invariant.ts'

const name = 'election safety'

/** At most one leader can be elected in a given term (Raft §5.2, figure 3). */
export function electionSafety(): Invariant {
  const leaderOf = new Map<number, string>()
  return {
    name,
    property: 'at most one leader is elected in a term',
    leadershipChanged(member, change) {
      if (change.firstIndex === 0) return
      const leader = `${member.id} (start ${member.incarnation})`
      const other = leaderOf.get(change.term)
      if (other !== undefined && other !== leader) {
        throw new Violation(name, `term ${change.term} was led by ${other} and by ${leader}`)
      }
      leaderOf.set(change.term, leader)
    },
  }
}
