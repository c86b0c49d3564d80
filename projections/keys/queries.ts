import type { KeyValue, Progress } from '../../domains/kv/contract.ts'

export const KEY_HISTORY = 'keys'

/** Keys as of a revision; bytes are text of one character each. */
export interface PastRange {
  readonly from: string
  /** Undefined: without an end. */
  readonly to: string | undefined
  readonly revision: number
  /** Undefined: all of them. */
  readonly limit: number | undefined
}

export interface PastRangeAnswer {
  readonly count: number
  readonly kvs: readonly KeyValue[]
}

export interface KeyEvent {
  readonly type: 'put' | 'delete'
  /** Of a deletion, the key and its revision alone. */
  readonly kv: KeyValue
  /** Before this event; undefined when there was none, it was not asked for, or it is compacted. */
  readonly previous: KeyValue | undefined
}

/** A change of a key: its revision, and its place in it. */
export interface Change {
  readonly revision: number
  readonly sub: number
}

/** What happened to the keys of an interval, from one change to the end of a revision, both inclusive. */
export interface PastEvents {
  readonly from: string
  readonly to: string | undefined
  readonly since: Change
  readonly until: number
  readonly previous: boolean
}

export interface PastEventsAnswer {
  /** In order, so many of them as fit into an answer. */
  readonly events: readonly KeyEvent[]
  /** Where the next answer begins: within a revision whose events do not all fit; beyond `until` when there is no more. */
  readonly next: Change
}

export interface HashAnswer {
  /** CRC-32C (Castagnoli) over all that is kept up to the revision, in order. */
  readonly hash: number
  readonly compacted: number
}

/** What the history of keys can be asked. */
export interface KeyQueries {
  range: { readonly ask: PastRange; readonly answer: PastRangeAnswer }
  events: { readonly ask: PastEvents; readonly answer: PastEventsAnswer }
  hash: { readonly ask: { readonly revision: number }; readonly answer: HashAnswer }
  progress: {
    readonly ask: Record<string, never>
    readonly answer: Progress & { readonly sizeBytes: number; readonly sizeInUseBytes: number }
  }
}
