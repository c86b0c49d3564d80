import { invariant } from './invariant.ts'
import type { RaftLog } from './raft_log.ts'
import type { AppendRequest, Entry } from './types.ts'

export interface AppendOutcome {
  readonly success: boolean
  /** With success: the last index known to match. Otherwise: the refused `previousIndex`. */
  readonly index: number
  readonly hintIndex: number
  readonly hintTerm: number
}

/**
 * A follower takes an append of the present term's leader (Raft §5.3). Entries are cut off only at a real conflict, so
 * a late or repeated append never removes what a newer one brought.
 */
export function acceptAppend(log: RaftLog, request: AppendRequest): AppendOutcome {
  const { previousIndex, previousTerm, entries } = request
  checkShape(request)
  if (previousIndex > log.lastIndex || log.termAt(previousIndex) !== previousTerm) {
    invariant(
      previousIndex > log.commitIndex,
      `the leader of term ${request.term} does not hold the committed entry ${previousIndex}`,
    )
    const hintIndex = log.findConflictByTerm(previousIndex, previousTerm)
    return { success: false, index: previousIndex, hintIndex, hintTerm: log.termAt(hintIndex) }
  }
  const fresh = entries.slice(countHeld(log, entries))
  const first = fresh[0]
  if (first !== undefined) {
    if (first.index <= log.lastIndex) log.truncateFrom(first.index)
    log.append(fresh)
  }
  const lastIndex = previousIndex + entries.length
  log.commitTo(Math.min(request.commit, lastIndex))
  return { success: true, index: lastIndex, hintIndex: 0, hintTerm: 0 }
}

/** How many of the entries, from the first on, are in the log already. */
function countHeld(log: RaftLog, entries: readonly Entry[]): number {
  let held = 0
  for (const entry of entries) {
    if (entry.index > log.lastIndex || log.termAt(entry.index) !== entry.term) break
    held += 1
  }
  return held
}

function checkShape(request: AppendRequest): void {
  let previousTerm = request.previousTerm
  for (const [position, entry] of request.entries.entries()) {
    invariant(
      entry.index === request.previousIndex + 1 + position,
      'the entries of an append must be contiguous',
    )
    invariant(
      entry.term >= previousTerm && entry.term <= request.term,
      "terms never fall, nor pass the sender's",
    )
    previousTerm = entry.term
  }
}
