import type { History } from '../history.ts'
import { isSameEntry } from '../history.ts'
import type { Invariant } from '../invariant.ts'
import { Violation } from '../invariant.ts'

const name = 'state-machine safety'

/** No two members apply different entries at the same index, and none skips one (Raft §5.4.3, figure 3). */
export function stateMachineSafety(history: History): Invariant {
  const lastApplied = new Map<number, number>()
  return {
    name,
    property: 'all members apply the same entries in the same order',
    started(member) {
      lastApplied.set(member.id, member.appliedIndex)
    },
    applied(member, entry) {
      const expected = (lastApplied.get(member.id) ?? 0) + 1
      if (entry.index !== expected) {
        throw new Violation(name, `member ${member.id} applied entry ${entry.index} in place of ${expected}`)
      }
      lastApplied.set(member.id, entry.index)
      const committed = history.at(entry.index)
      if (committed === undefined || !isSameEntry(entry, committed.entry)) {
        throw new Violation(
          name,
          `member ${member.id} applied an entry ${entry.index} of term ${entry.term} that is not the committed one`,
        )
      }
    },
  }
}
