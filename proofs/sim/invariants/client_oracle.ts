import type { History } from '../history.ts'
import { isSameEntry, payloadId } from '../history.ts'
import type { Invariant } from '../invariant.ts'
import { Violation } from '../invariant.ts'

const name = 'client oracle'

/**
 * What clients were told holds: an acknowledged proposal is in every log, at its index, once; a refused one is in none.
 * An accepted one that was never acknowledged has an unknown outcome, and may be in or not.
 */
export function clientOracle(history: History): Invariant {
  const acknowledged = new Map<number, number>()
  const refused = new Set<number>()
  const seen = new Set<number>()
  return {
    name,
    property: 'clients were told the truth',
    proposalSettled(id, index, outcome) {
      if (outcome === 'refused') refused.add(id)
      if (outcome !== 'acknowledged') return
      acknowledged.set(id, index)
      const committed = history.at(index)
      if (committed === undefined || payloadId(committed.entry) !== id) {
        throw new Violation(
          name,
          `payload ${id} was acknowledged at ${index}, where something else is committed`,
        )
      }
    },
    historyGrew(_member, from, to) {
      for (let index = from; index <= to; index += 1) {
        const entry = history.at(index)?.entry
        const id = entry === undefined ? 0 : payloadId(entry)
        if (id === 0) continue
        if (refused.has(id)) throw new Violation(name, `refused payload ${id} was committed at ${index}`)
        if (seen.has(id)) throw new Violation(name, `payload ${id} was committed twice`)
        seen.add(id)
      }
    },
    converged(members) {
      for (const [id, index] of acknowledged) {
        for (const member of members) {
          const held = member.durableLog[index - 1]
          const isThere = held !== undefined && payloadId(held) === id
          if (!isThere)
            throw new Violation(name, `member ${member.id} lacks payload ${id}, acknowledged at ${index}`)
        }
      }
      for (let index = 1; index <= history.lastIndex; index += 1) {
        const entry = history.at(index)?.entry
        for (const member of members) {
          const held = member.durableLog[index - 1]
          if (entry === undefined || held === undefined || !isSameEntry(held, entry)) {
            throw new Violation(name, `member ${member.id} differs at ${index} after all has healed`)
          }
        }
      }
    },
  }
}
