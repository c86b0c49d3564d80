import type { Entry } from '../../../log/raft/types.ts'
import type { History } from '../history.ts'
import { isSameEntry } from '../history.ts'
import type { Invariant, Observed } from '../invariant.ts'
import { Violation } from '../invariant.ts'

const name = 'no committed entry lost'

/**
 * What is committed is durable at a quorum from that moment on (Raft §5.3 with the persistence of figure 2). The disks of all
 * members are looked at directly, so a member that counts itself or a peer too early is caught when it commits. A disk that was lost
 * held what it held: its acknowledgement was true.
 */
export function noCommittedEntryLost(
  history: History,
  memberCount: number,
  all: () => readonly Observed[],
): Invariant {
  const quorum = Math.floor(memberCount / 2) + 1
  return {
    name,
    property: 'a committed entry is durable at a quorum, until disks are lost',
    historyGrew(member, _from, to) {
      const entry = history.at(to)?.entry
      if (entry === undefined) return
      const holders = all().filter((other) => holds(other, entry)).length
      if (holders < quorum) {
        throw new Violation(
          name,
          `member ${member.id} committed entry ${to}, durable at ${holders} of ${memberCount}`,
        )
      }
    },
    writeDurable(member, write, removed) {
      const lost = removed.find((entry) => {
        const committed = history.at(entry.index)
        return committed !== undefined && isSameEntry(committed.entry, entry)
      })
      if (lost !== undefined) {
        throw new Violation(
          name,
          `member ${member.id} removed committed entry ${lost.index} in write ${write.sequence}`,
        )
      }
    },
  }
}

function holds(member: Observed, entry: Entry): boolean {
  const logs = [member.durableLog, ...member.lostLogs]
  return logs
    .map((log) => log[entry.index - 1])
    .some((found) => found !== undefined && isSameEntry(found, entry))
}
