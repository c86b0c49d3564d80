import type { Write } from '../../../log/raft/effects.ts'
import type { Entry, HardState } from '../../../log/raft/types.ts'
import { payloadId } from '../history.ts'

/** What one write makes durable (log/storage/wal-group.ts): the whole state after it, and the entries that follow the base. */
export interface Group {
  /** One more than that of the group before. */
  readonly sequence: number
  readonly previousLink: number
  /** A checksum of everything here, with which the next group names this one. */
  readonly link: number
  readonly hardState: HardState
  readonly isVoter: boolean
  /** The last entry that is kept: those here take the place of all behind it. */
  readonly baseIndex: number
  readonly entries: readonly Entry[]
}

export interface Queued {
  readonly write: Write
  readonly done: () => void
}

/** The group with its link. */
export function linked(fields: Omit<Group, 'link'>): Group {
  const { sequence, previousLink, hardState, isVoter, baseIndex, entries } = fields
  const state = [sequence, previousLink, hardState.term, hardState.vote, isVoter ? 1 : 0, baseIndex]
  let link = 0
  for (const field of state) link = mixed(link, field)
  for (const entry of entries) {
    link = mixed(link, entry.index)
    link = mixed(link, entry.term)
    link = mixed(link, entry.kind === 'noop' ? 1 : 2)
    link = mixed(link, payloadId(entry))
  }
  return { ...fields, link: link >>> 0 }
}

function mixed(hash: number, field: number): number {
  const product = Math.imul(hash ^ field, 16_777_619)
  return product ^ (product >>> 15)
}

/** The last entry that a write keeps. */
function baseOf({ lastIndex, entries }: Write): number {
  return lastIndex - entries.length
}

/** Takes from the queue what goes into one group: nothing that replaces entries of a write before it. */
export function takeGroup(queue: Queued[]): Queued[] {
  let count = 0
  let entries = 0
  let lastIndex = 0
  for (const { write } of queue) {
    if (entries > 0 && baseOf(write) < lastIndex) break
    entries += write.entries.length
    lastIndex = write.lastIndex
    count += 1
  }
  return queue.splice(0, count)
}

/** What the group of these writes holds; `last` is the group before it. */
export function joined(writes: readonly Write[], last: Group): Group {
  const entries: Entry[] = []
  let baseIndex = 0
  let hardState: HardState | null = null
  for (const write of writes) {
    if (entries.length === 0) baseIndex = baseOf(write)
    entries.push(...write.entries)
    hardState = write.hardState ?? hardState
  }
  return linked({
    sequence: last.sequence + 1,
    previousLink: last.link,
    hardState: hardState ?? last.hardState,
    isVoter: last.isVoter || writes.some(({ becomesVoter }) => becomesVoter),
    baseIndex,
    entries,
  })
}
