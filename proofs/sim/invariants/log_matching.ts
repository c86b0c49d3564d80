import type { Entry } from '../../../log/raft/types.ts'
import { isSameEntry } from '../history.ts'
import type { Invariant } from '../invariant.ts'
import { Violation } from '../invariant.ts'

const name = 'log matching'

interface Known {
  readonly entry: Entry
  readonly previousTerm: number
}

/**
 * If two logs contain an entry with the same index and term, the logs are identical up to it (Raft §5.3, figure 3). Checked by
 * induction: an index and a term fix the entry and the term before it, in every log and for all time.
 */
export function logMatching(): Invariant {
  const known = new Map<number, Known>()
  return {
    name,
    property: 'index and term fix an entry and all before it',
    writeTaken(member, write) {
      for (const entry of write.entries) {
        const previousTerm = member.log[entry.index - 2]?.term ?? 0
        const key = entry.index * 65_536 + entry.term
        const other = known.get(key)
        if (other === undefined) {
          known.set(key, { entry, previousTerm })
        } else if (!isSameEntry(entry, other.entry) || previousTerm !== other.previousTerm) {
          throw new Violation(
            name,
            `member ${member.id} has another entry ${entry.index} of term ${entry.term}`,
          )
        }
      }
    },
  }
}
