import type { Evolve, NewHistory, Tables } from '../kernel/domain.ts'
import { afterRestore, BEGINNING } from './contract.ts'
import { bounds } from './interval.ts'
import type state from './state.ts'
import { NOTHING, sweep } from './sweep.ts'

type Store = Tables<typeof state>

export const evolve: Evolve<typeof state> = {
  Put: (store, { revision, key, value, createRevision, version, lease }) => {
    advance(store, revision)
    store.keys.put(key, { key, value, createRevision, modRevision: revision, version, lease })
  },
  Deleted: (store, { revision, key, rangeEnd, swept }) => {
    advance(store, revision)
    const [from, to] = bounds(key, rangeEnd)
    if (swept) {
      const { intervals, lease } = store.sweep.get('current') ?? NOTHING
      store.sweep.put('current', { intervals: [...intervals, { from, to: to ?? null }], lease })
    } else for (const row of [...store.keys.range(from, to)]) store.keys.delete(row.key)
  },
  Compacted: ({ progress }, { revision }) => {
    progress.put('current', { ...(progress.get('current') ?? BEGINNING), compacted: revision })
  },
  LeaseGranted: ({ leases }, lease) => leases.put(lease.id, lease),
  LeaseRevoked: (store, { id, revision, swept }) => {
    advance(store, revision)
    if (swept) store.sweep.put('current', { intervals: [], lease: { id, from: '' } })
    else for (const { key } of store.keys.list('lease', id)) store.keys.delete(key)
    store.leases.delete(id)
  },
  Swept: (store, { rows }) => sweep(store, rows),
}

/** Before the revision's writes: who reads a journal then knows which revision they belong to. */
function advance({ progress }: Store, revision: number): void {
  const now = progress.get('current') ?? BEGINNING
  if (now.revision !== revision) progress.put('current', { ...now, revision })
}

export function adopt({ progress }: Store, { parent }: NewHistory): void {
  if (parent !== '') progress.put('current', afterRestore(progress.get('current') ?? BEGINNING))
}
