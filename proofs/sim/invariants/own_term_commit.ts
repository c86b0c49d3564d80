import type { History } from '../history.ts'
import type { Invariant } from '../invariant.ts'
import { Violation } from '../invariant.ts'

const name = 'own-term commit'

/**
 * A leader commits by counting only entries of its own term; earlier ones are committed with them (Raft §5.4.2). An earlier one
 * that a quorum holds can still be overwritten (figure 8), a schedule too rare to wait for.
 */
export function ownTermCommit(history: History): Invariant {
  return {
    name,
    property: 'a leader commits only up to an entry of its own term',
    historyGrew(member, _from, to) {
      const term = history.at(to)?.entry.term
      if (term !== member.committingTerm) {
        throw new Violation(
          name,
          `member ${member.id}, leading term ${member.committingTerm}, committed entry ${to} of term ${term}`,
        )
      }
    },
  }
}
