import type { Invariant } from '../invariant.ts'
import { Violation } from '../invariant.ts'

const name = 'leader append-only'

/** A leader never overwrites or deletes entries in its log; it only appends (Raft §5.3, figure 3). */
export function leaderAppendOnly(): Invariant {
  return {
    name,
    property: 'a leader only appends, and only entries of its own term',
    writeTaken(member, write, removed) {
      if (member.leadingTerm === 0) return
      if (removed.length > 0) {
        throw new Violation(
          name,
          `leader ${member.id} of term ${member.leadingTerm} removed entries from ${write.truncateFrom}`,
        )
      }
      for (const entry of write.entries) {
        if (entry.term !== member.leadingTerm) {
          throw new Violation(
            name,
            `leader ${member.id} of term ${member.leadingTerm} appended an entry of term ${entry.term}`,
          )
        }
      }
    },
  }
}
