import { describeKeyValue } from '../checker/describe.ts'
import type { KeyValue } from '../checker/operations.ts'
import type { WatchEvent, WatchRecord } from './record.ts'

/** What a revision did to the keys it touched, and when it was first told. */
export interface Change {
  readonly events: Map<string, WatchEvent>
  readonly firstTold: number
}

/** All that all watchers were told, by revision. */
export interface StoreLog {
  readonly changes: ReadonlyMap<number, Change>
  /** In ascending order. */
  readonly revisions: readonly number[]
  /** Two watchers were told different things; at most one for a revision and key. */
  readonly problems: readonly string[]
}

export function mergeRecords(records: readonly WatchRecord[]): StoreLog {
  const changes = new Map<number, Change>()
  const problems: string[] = []
  for (const { items, spec } of records) {
    for (const item of items) {
      if (item.kind !== 'events') continue
      for (const event of item.events) {
        const { key, mod } = event.kv
        const change = changes.get(mod) ?? { events: new Map<string, WatchEvent>(), firstTold: item.at }
        const other = change.events.get(key)
        if (other !== undefined && !isSame(other, event))
          problems.push(
            `${spec.name} was told ${describeEvent(event)}, and another watcher ${describeEvent(other)}`,
          )
        if (other?.previous === undefined) change.events.set(key, event)
        changes.set(mod, { ...change, firstTold: Math.min(change.firstTold, item.at) })
      }
    }
  }
  return { changes, revisions: [...changes.keys()].sort((a, b) => a - b), problems }
}

export function describeEvent({ type, kv }: WatchEvent): string {
  return type === 'put' ? `put ${describeKeyValue(kv)}` : `delete ${kv.key} at ${kv.mod}`
}

function isSame(one: WatchEvent, other: WatchEvent): boolean {
  return one.type === other.type && isSameKeyValue(one.kv, other.kv)
}

export function isSameKeyValue(one: KeyValue | undefined, other: KeyValue | undefined): boolean {
  if (one === undefined || other === undefined) return one === other
  const { key, value, version, create, mod, lease } = one
  return (
    key === other.key &&
    value === other.value &&
    version === other.version &&
    create === other.create &&
    mod === other.mod &&
    lease === other.lease
  )
}
