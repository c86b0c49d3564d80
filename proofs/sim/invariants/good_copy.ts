import type { History } from '../history.ts'
import { isSameEntry } from '../history.ts'
import type { Invariant, Observed } from '../invariant.ts'
import { Violation } from '../invariant.ts'

const name = 'good copy'

/**
 * As long as disks are lost to a minority at a time, an undamaged disk holds each committed entry: what recovers a disk restores
 * the copies that the next loss may take (the durability that Raft §5.3 draws from a quorum, kept over lost disks).
 */
export function goodCopy(history: History, all: () => readonly Observed[]): Invariant {
  function check(lost: Observed): void {
    const sound = all().filter((member) => member.isSound)
    if (all().length === 1) return
    for (let index = 1; index <= history.lastIndex; index += 1) {
      const entry = history.at(index)?.entry
      if (entry === undefined || sound.some(({ durableLog }) => holds(durableLog[index - 1], entry))) continue
      throw new Violation(
        name,
        `the disk of member ${lost.id} was the last with a good copy of committed entry ${index}`,
      )
    }
  }
  return {
    name,
    property: 'of every committed entry a good copy is left when a disk is lost',
    wiped: check,
    damaged: check,
  }
}

function holds(
  found: Parameters<typeof isSameEntry>[0] | undefined,
  entry: Parameters<typeof isSameEntry>[0],
): boolean {
  return found !== undefined && isSameEntry(found, entry)
}
