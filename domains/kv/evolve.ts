import type { Evolve, NewHistory, Tables } from '../kernel/domain.ts'
import { afterRestore, BEGINNING } from './contract.ts'
import { bounds } from './range.ts'
import type state from './state.ts'

type Store = Tables<typeof state>

const ROWS_AT_ONCE = 1000

export const evolve: Evolve<typeof state> = {
  Put: (store, { revision, key, value, createRevision, version, lease }) => {
    advance(store, revision)
    store.keys.put(key, { key, value, createRevision, modRevision: revision, version, lease })
  },
  Deleted: (store, { revision, key, rangeEnd }) => {
    advance(store, revision)
    const [from, to] = bounds(key, rangeEnd)
    deleteRange(store, from, to)
  },
  Compacted: ({ progress }, { revision }) => {
    progress.put('current', { ...(progress.get('current') ?? BEGINNING), compacted: revision })
  },
  LeaseGranted: ({ leases }, lease) => leases.put(lease.id, lease),
  LeaseRevoked: (store, { id, revision }) => {
    advance(store, revision)
    for (const { key } of store.keys.list('lease', id)) store.keys.delete(key)
    store.leases.delete(id)
  },
}

/** Some rows at a time: a table on disk still has in memory what it has just read, when a row is deleted. */
function deleteRange({ keys }: Store, from: string, to: string | undefined): void {
  for (let next: string | undefined = from; next !== undefined; ) {
    const some: string[] = []
    for (const { key } of keys.range(next, to)) if (some.push(key) === ROWS_AT_ONCE) break
    for (const key of some) keys.delete(key)
    next = some.length < ROWS_AT_ONCE ? undefined : `${some.at(-1)}\0`
  }
}

/** Before the revision's writes: who reads a journal then knows which revision they belong to. */
function advance({ progress }: Store, revision: number): void {
  const now = progress.get('current') ?? BEGINNING
  if (now.revision !== revision) progress.put('current', { ...now, revision })
}

export function adopt({ progress }: Store, { parent }: NewHistory): void {
  if (parent !== '') progress.put('current', afterRestore(progress.get('current') ?? BEGINNING))
}
