import type { KeyValue, Progress } from '../../domains/kv/contract.ts'

export const KEY_HISTORY = 'keys'

/** Keys as of a revision; bytes are text of one character each. */
export interface PastKeys {
  readonly from: string
  /** Undefined: without an end. */
  readonly to: string | undefined
  readonly revision: number
}

export interface PastRange extends PastKeys {
  /** Undefined: as many as fit into an answer. */
  readonly limit: number | undefined
}

export interface PastRangeAnswer {
  readonly kvs: readonly KeyValue[]
  /** Where the next answer begins; undefined when there is no more. */
  readonly next: string | undefined
}

export interface KeyEvent {
  readonly type: 'put' | 'delete'
  /** Of a deletion, the key and its revision alone. */
  readonly kv: KeyValue
  /** Before this event; undefined when there was none, it was not asked for, or it is compacted. */
  readonly previous: KeyValue | undefined
}

/** What happened to the keys of an interval, from one revision to another, both inclusive. */
export interface PastEvents {
  readonly from: string
  readonly to: string | undefined
  readonly since: number
  /** Of that revision, the first change wanted: 0, or what an answer gave. */
  readonly sub: number
  readonly until: number
  readonly previous: boolean
}

export interface PastEventsAnswer {
  /** In order, as many as fit: of whole revisions, or, where one has more, of a part of it alone. */
  readonly events: readonly KeyEvent[]
  /** Where the next answer begins; beyond `until` when there is no more. */
  readonly next: number
  /** Above 0 when a part of the revision `next` is still to come. */
  readonly sub: number
}

export interface HashAnswer {
  /** CRC-32C (Castagnoli) over all that is kept up to the revision, in order. */
  readonly hash: number
  readonly compacted: number
}

/** What the history of keys can be asked. */
export interface KeyQueries {
  range: { readonly ask: PastRange; readonly answer: PastRangeAnswer }
  count: { readonly ask: PastKeys; readonly answer: { readonly count: number } }
  events: { readonly ask: PastEvents; readonly answer: PastEventsAnswer }
  hash: { readonly ask: { readonly revision: number }; readonly answer: HashAnswer }
  progress: {
    readonly ask: Record<string, never>
    readonly answer: Progress & { readonly sizeBytes: number; readonly sizeInUseBytes: number }
  }
}
