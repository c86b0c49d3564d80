import type { History } from '../history.ts'
import { isSameEntry } from '../history.ts'
import type { Invariant } from '../invariant.ts'
import { Violation } from '../invariant.ts'

const name = 'leader completeness'

/** An entry committed in a term is in the logs of the leaders of all later terms (Raft §5.4, figure 3). */
export function leaderCompleteness(history: History): Invariant {
  return {
    name,
    property: 'a leader holds every entry committed in an earlier term',
    leadershipChanged(member, change) {
      if (change.firstIndex === 0) return
      for (let index = 1; index <= history.lastIndex; index += 1) {
        const committed = history.at(index)
        if (committed === undefined || committed.committedIn >= change.term) break
        const held = member.log[index - 1]
        if (held === undefined || !isSameEntry(held, committed.entry)) {
          throw new Violation(
            name,
            `leader ${member.id} of term ${change.term} lacks committed entry ${index}`,
          )
        }
      }
    },
  }
}
