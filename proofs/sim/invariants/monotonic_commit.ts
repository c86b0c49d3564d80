import type { History } from '../history.ts'
import { isSameEntry } from '../history.ts'
import type { Invariant, Observed } from '../invariant.ts'
import { Violation } from '../invariant.ts'

const name = 'monotonic commit'

interface Seen {
  incarnation: number
  commit: number
  deliverable: number
  durableTerm: number
}

/**
 * While a process runs its commit index never falls, and what it covers is what was committed (Raft figure 2, "increases
 * monotonically"); a durable term never falls, crash or not.
 */
export function monotonicCommit(history: History): Invariant {
  const seen = new Map<number, Seen>()
  const at = (member: Observed): Seen => {
    const known = seen.get(member.id)
    if (known?.incarnation === member.incarnation) return known
    const fresh = {
      incarnation: member.incarnation,
      commit: 0,
      deliverable: 0,
      durableTerm: known?.durableTerm ?? 0,
    }
    seen.set(member.id, fresh)
    return fresh
  }
  return {
    name,
    property: 'commit index and durable term never fall',
    wiped(member) {
      seen.delete(member.id)
    },
    commitReported(member, commit, deliverable) {
      const last = at(member)
      if (commit < last.commit || deliverable < last.deliverable || deliverable > commit) {
        throw new Violation(
          name,
          `member ${member.id} went from commit ${last.commit} to ${commit}, deliverable ${deliverable}`,
        )
      }
      last.commit = commit
      last.deliverable = deliverable
      if (commit === 0) return
      const held = member.log[commit - 1]
      const committed = history.at(commit)
      if (held === undefined || committed === undefined || !isSameEntry(held, committed.entry)) {
        throw new Violation(
          name,
          `member ${member.id} takes its entry ${commit} for committed, and it is another one`,
        )
      }
    },
    writeDurable(member) {
      const last = at(member)
      if (member.durableTerm < last.durableTerm) {
        throw new Violation(
          name,
          `the durable term of member ${member.id} fell from ${last.durableTerm} to ${member.durableTerm}`,
        )
      }
      last.durableTerm = member.durableTerm
    },
  }
}
