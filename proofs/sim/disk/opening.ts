import type { HardState, Standing } from '../../../log/raft/types.ts'
import type { Mark, Medium, StoredRecord } from './medium.ts'

/** Why a member does not start: the reasons of log/storage/errors.ts. */
export type Refusal = 'MARK_DAMAGED' | 'TAIL_VANISHED' | 'TAIL_DAMAGED'

export interface Opened {
  readonly records: readonly StoredRecord[]
  readonly hardState: HardState
  readonly standing: Standing
}

/**
 * What storage does when it opens a directory (log/storage/open.ts), on the simulated medium: verifies every record and the
 * chain, compares the end with the mark, cuts off what is damaged behind it, and raises the mark to what is there.
 */
export function openMedium(medium: Medium): Opened | Refusal {
  const mark = medium.openMark()
  if (mark === null) return 'MARK_DAMAGED'
  const records = soundRecords(medium)
  if (records.length < mark.index) {
    return medium.records.length > records.length ? 'TAIL_DAMAGED' : 'TAIL_VANISHED'
  }
  const marked = mark.index === 0 ? 0 : records[mark.index - 1]?.checksum
  if (marked !== mark.checksum) return 'TAIL_DAMAGED'
  medium.settle(records.length)
  const lastTerm = records.at(-1)?.entry.term ?? 0
  if (!medium.hardState.isSound) return 'TAIL_DAMAGED'
  const hardState = medium.hardState.value
  if (!isKept(hardState, mark, lastTerm)) return 'TAIL_VANISHED'
  const checksum = records.at(-1)?.checksum ?? 0
  const { term, vote } = mark.hardState
  if (mark.index !== records.length || term !== hardState.term || vote !== hardState.vote) {
    medium.writeMark({ index: records.length, checksum, hardState }, false)
  }
  return { records, hardState, standing: standingOf(medium, records.length, hardState) }
}

/** From the first on, as long as each is sound, in its place, and linked to the one before. */
function soundRecords(medium: Medium): StoredRecord[] {
  const records: StoredRecord[] = []
  let last: StoredRecord | undefined
  for (const record of medium.records) {
    if (record === undefined || !record.isSound || record.entry.index !== records.length + 1) break
    if (record.previousChecksum !== (last?.checksum ?? 0)) break
    if (record.entry.term < (last?.entry.term ?? 0)) break
    records.push(record)
    last = record
  }
  return records
}

function isKept(hardState: HardState, { hardState: acknowledged }: Mark, lastTerm: number): boolean {
  if (hardState.term < acknowledged.term || hardState.term < lastTerm) return false
  return (
    hardState.term !== acknowledged.term || acknowledged.vote === 0 || hardState.vote === acknowledged.vote
  )
}

/** Who has moved since it was formatted, and cannot show that it is a voter, recovers. */
function standingOf(medium: Medium, lastIndex: number, { term, vote }: HardState): Standing {
  if (medium.isVoter) return 'voter'
  return lastIndex !== 0 || term !== 0 || vote !== 0 ? 'recovering' : medium.standing
}
