import type { Entry, HardState } from '../../../log/raft/types.ts'
import { isSameEntry } from '../history.ts'
import type { Invariant, Observed } from '../invariant.ts'
import { Violation } from '../invariant.ts'

const name = 'restart'

interface Promised {
  readonly log: Entry[]
  hardState: HardState
}

/**
 * What the core was told is durable is there after every restart, whatever happened to the disk: else the member must not start
 * ("updated on stable storage before responding", Raft figure 2, and a disk that damages it silently).
 */
export function restart(): Invariant {
  const promises = new Map<number, Promised>()
  const of = (member: Observed): Promised => {
    const known = promises.get(member.id)
    if (known !== undefined) return known
    const fresh: Promised = { log: [], hardState: { term: 0, vote: 0 } }
    promises.set(member.id, fresh)
    return fresh
  }
  return {
    name,
    property: 'a member that starts has everything that it was told is durable',
    wiped(member) {
      promises.delete(member.id)
    },
    writeDurable(member, write) {
      const { log } = of(member)
      if (write.truncateFrom !== 0) log.length = Math.min(log.length, write.truncateFrom - 1)
    },
    writeReported(member, write) {
      const promised = of(member)
      if (write.hardState !== null) promised.hardState = write.hardState
      for (const entry of write.entries) {
        // Not what a later write, durable before this report, has cut off.
        const held = member.durableLog[entry.index - 1]
        if (held !== undefined && isSameEntry(held, entry)) promised.log[entry.index - 1] = entry
      }
    },
    started(member) {
      const { log, hardState } = of(member)
      const lost = log.findIndex((entry, position) => !isHeld(member.durableLog[position], entry))
      if (lost >= 0) {
        throw new Violation(name, `member ${member.id} starts without entry ${lost + 1}, which was durable`)
      }
      const { durableTerm, durableVote } = member
      const isVoteKept = hardState.vote === 0 || durableVote === hardState.vote
      if (durableTerm < hardState.term || (durableTerm === hardState.term && !isVoteKept)) {
        throw new Violation(
          name,
          `member ${member.id} starts in term ${durableTerm} with a vote for ${durableVote}, but term ${hardState.term} with a vote for ${hardState.vote} was durable`,
        )
      }
    },
  }
}

function isHeld(found: Entry | undefined, entry: Entry | undefined): boolean {
  return entry === undefined || (found !== undefined && isSameEntry(found, entry))
}
