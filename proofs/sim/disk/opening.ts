import type { Entry, HardState, Standing } from '../../../log/raft/types.ts'
import type { Group } from './group.ts'
import { type Mark, type Medium, markOf } from './medium.ts'

/** Why a member does not start: the reasons of log/storage/errors.ts. */
export type Refusal = 'MARK_DAMAGED' | 'TAIL_VANISHED' | 'TAIL_DAMAGED'

export interface Opened {
  readonly log: readonly Entry[]
  /** The group that each entry is in. */
  readonly groups: readonly Group[]
  readonly last: Group
  readonly standing: Standing
}

/**
 * What storage does when it opens a directory (log/storage/open.ts, wal-open.ts), on the simulated medium: verifies every group and
 * that it follows the one before, compares the end with the mark, makes zeros of what a crash left, and raises the mark.
 */
export function openMedium(medium: Medium): Opened | Refusal {
  const mark = medium.openMark()
  if (mark === null) return 'MARK_DAMAGED'
  const log: Entry[] = []
  const groups: Group[] = []
  let last: Group | undefined
  let count = 0
  for (const placed of medium.places) {
    if (placed === null || placed.state === 'torn') break
    const { group } = placed
    if (placed.state === 'damaged') return 'TAIL_DAMAGED'
    if (last !== undefined && !follows(group, last)) return 'TAIL_DAMAGED'
    if (group.sequence === mark.sequence && group.link !== mark.link) return 'TAIL_DAMAGED'
    if (!take(group, log, groups)) return 'TAIL_DAMAGED'
    last = group
    count += 1
  }
  const refusal = checkEnd(medium, count, mark)
  if (refusal !== null) return refusal
  if (last === undefined || last.sequence < mark.sequence) return 'TAIL_VANISHED'
  if (last.hardState.term < (log.at(-1)?.term ?? 0)) return 'TAIL_VANISHED'
  medium.settle(count, last.sequence)
  if (mark.sequence !== last.sequence) medium.writeMark(markOf(last), false)
  return { log, groups, last, standing: standingOf(medium, log.length, last) }
}

function follows(group: Group, last: Group): boolean {
  return group.sequence === last.sequence + 1 && group.previousLink === last.link
}

/** Its entries take the place of all behind its base. False when they leave a hole, or a term falls. */
function take(group: Group, log: Entry[], groups: Group[]): boolean {
  if (group.baseIndex > log.length) return false
  log.length = group.baseIndex
  groups.length = group.baseIndex
  for (const entry of group.entries) {
    if (entry.index !== log.length + 1 || entry.term < (log.at(-1)?.term ?? 0)) return false
    log.push(entry)
    groups.push(group)
  }
  return true
}

/** Behind the last group there must be nothing, or one that was never acknowledged. */
function checkEnd(medium: Medium, count: number, mark: Mark): Refusal | null {
  if (medium.places.length > count + 1) return 'TAIL_DAMAGED'
  const torn = medium.places[count]
  return torn != null && torn.group.sequence <= mark.sequence ? 'TAIL_DAMAGED' : null
}

/** Who has moved since it was formatted, and cannot show that it is a voter, recovers. */
function standingOf(medium: Medium, lastIndex: number, last: Group): Standing {
  if (last.isVoter) return 'voter'
  const { term, vote }: HardState = last.hardState
  return lastIndex !== 0 || term !== 0 || vote !== 0 ? 'recovering' : medium.standing
}
