import type { Evolve, NewHistory, Tables } from '../kernel/domain.ts'
import { afterRestore, BEGINNING } from './contract.ts'
import { bounds } from './range.ts'
import type state from './state.ts'

type Store = Tables<typeof state>

export const evolve: Evolve<typeof state> = {
  Put: (store, { revision, key, value, createRevision, version, lease }) => {
    store.keys.put(key, { key, value, createRevision, modRevision: revision, version, lease })
    advance(store, revision)
  },
  Deleted: (store, { revision, key, rangeEnd }) => {
    const [from, to] = bounds(key, rangeEnd)
    for (const row of [...store.keys.range(from, to)]) store.keys.delete(row.key)
    advance(store, revision)
  },
  Compacted: ({ progress }, { revision }) => {
    progress.put('current', { ...(progress.get('current') ?? BEGINNING), compacted: revision })
  },
  LeaseGranted: ({ leases }, lease) => leases.put(lease.id, lease),
  LeaseRevoked: (store, { id, revision }) => {
    for (const { key } of store.keys.list('lease', id)) store.keys.delete(key)
    store.leases.delete(id)
    advance(store, revision)
  },
}

function advance({ progress }: Store, revision: number): void {
  const now = progress.get('current') ?? BEGINNING
  if (now.revision !== revision) progress.put('current', { ...now, revision })
}

export function adopt({ progress }: Store, { parent }: NewHistory): void {
  if (parent !== '') progress.put('current', afterRestore(progress.get('current') ?? BEGINNING))
}
