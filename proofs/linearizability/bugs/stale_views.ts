import type { KeyValue } from '../../../domains/kv/model.ts'
import type { Member } from '../../../edges/etcd/member.ts'

/** So far back is what a stale view shows. */
const STALE_MS = 30

type View = Member['view']

interface Former {
  readonly row: KeyValue | undefined
  readonly until: number
}

/** The keys of members as they were a moment ago, for reads of one key. */
export class StaleViews {
  readonly #views = new WeakMap<Member, View>()

  /** What was written is followed from the first call on. */
  of(member: Member): View {
    let view = this.#views.get(member)
    if (view === undefined) this.#views.set(member, (view = staleView(member)))
    return view
  }
}

function staleView({ platform, view }: Member): View {
  const formers = new Map<string, Former>()
  platform.onApplied((writes) => {
    const now = performance.now()
    for (const { table, key, before } of writes) {
      if (table.name !== 'kv.keys') continue
      const known = formers.get(key)
      if (known === undefined || known.until < now)
        formers.set(key, { row: before as KeyValue | undefined, until: now + STALE_MS })
    }
  })
  const { keys } = view
  const rowsOf = (key: string): readonly KeyValue[] => {
    const former = formers.get(key)
    const row = former === undefined || former.until < performance.now() ? keys.get(key) : former.row
    return row === undefined ? [] : [row]
  }
  const stale: Pick<typeof keys, 'range' | 'countRange'> = {
    range: (from) => rowsOf(from)[Symbol.iterator](),
    countRange: (from) => rowsOf(from).length,
  }
  return { ...view, keys: { ...keys, ...stale } }
}
