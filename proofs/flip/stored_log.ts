import { hash } from 'node:crypto'
import { join } from 'node:path'
import { scrub } from '../../log/storage/scrub.ts'
import { LogStore } from '../../log/storage/store.ts'

const READ_BYTES = 8 << 20

/** What is stored of a log, and what of it was repaired. */
interface Stored {
  readonly parts: Readonly<Record<string, string>>
  readonly repairs: readonly string[]
}

/** Opens, scrubs and reads the log of a directory as a member does, without one that takes part in elections. Throws StorageError. */
export async function lookAtLog(directory: string): Promise<Stored> {
  const identity = { clusterId: 'flip', memberId: 1 }
  const store = await LogStore.open(join(directory, 'chainfire'), identity, () => undefined)
  try {
    const { damage, chain } = await scrub(store.segments)
    if (damage[0] !== undefined) throw damage[0]
    const digests: string[] = []
    for (let next = 1; next <= store.lastIndex(); ) {
      const entries = store.entries(next, store.lastIndex(), READ_BYTES)
      for (const { index, term, kind, payload } of entries)
        digests.push(`${index} ${term} ${kind} ${hash('sha256', payload)}`)
      next += entries.length
    }
    const { hardState, standing, origin, blockEntries, repairs } = store
    // Where the directory does not say any more that the member has a vote, it recovers it, and gives none before.
    const recovers = standing === 'recovering' ? ['it recovers its vote'] : []
    const beside = JSON.stringify({
      hardState,
      origin,
      blockEntries,
      chain,
      founding: standing === 'founding',
    })
    return {
      parts: { entries: hash('sha256', digests.join('\n')), beside },
      repairs: [...repairs, ...recovers],
    }
  } finally {
    await store.close()
  }
}
