import type { Invariant } from '../invariant.ts'
import { Violation } from '../invariant.ts'

const name = 'linearizable read'

/**
 * A read sees everything that anybody knew to be committed when it began (Raft §6.4). That is more than
 * linearizability asks for, which only speaks of what clients were told, and ReadIndex gives it.
 */
export function linearizableRead(): Invariant {
  return {
    name,
    property: 'a read sees all that was committed when it began',
    readFinished(member, index, read) {
      if (index < read.committedAtStart) {
        throw new Violation(
          name,
          `a read at member ${member.id} got index ${index}, but ${read.committedAtStart} was committed before it began`,
        )
      }
    },
  }
}
