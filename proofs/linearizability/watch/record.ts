import type { KeyValue } from '../checker/operations.ts'

export interface WatchEvent {
  readonly type: 'put' | 'delete'
  readonly kv: KeyValue
  readonly previous: KeyValue | undefined
}

export interface WatchSpec {
  readonly name: string
  /** The keys that begin with it. */
  readonly prefix: string
  /** Which events are not wanted. */
  readonly without: readonly WatchEvent['type'][]
  /** Whether each event is to say what was before. */
  readonly previous: boolean
}

/** What a watcher was told, over all its connections. Times are those of the history. */
export type WatchItem =
  /** A connection began: it asked for everything from a revision on. */
  | { readonly kind: 'created'; readonly at: number; readonly from: number; readonly member: string }
  | {
      readonly kind: 'events'
      readonly at: number
      /** Of the response's header. */
      readonly revision: number
      readonly events: readonly WatchEvent[]
      /** More of the last event's revision follows. */
      readonly fragment: boolean
    }
  /** Everything up to a revision has been told. */
  | { readonly kind: 'progress'; readonly at: number; readonly revision: number }

export interface WatchRecord {
  readonly spec: WatchSpec
  readonly items: readonly WatchItem[]
}

/** How many events a watcher was told of. */
export function eventsIn(items: readonly WatchItem[]): number {
  return items.reduce((sum, item) => sum + (item.kind === 'events' ? item.events.length : 0), 0)
}

export function isWanted({ prefix, without }: WatchSpec, { type, kv }: WatchEvent): boolean {
  return kv.key.startsWith(prefix) && !without.includes(type)
}
