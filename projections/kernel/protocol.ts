import type { Origin } from '../../domains/kernel/origin.ts'
import type { FeedBatch, FeedQuery } from './changes.ts'
import type { PackedEntries } from './packed_entries.ts'
import type { Differences, EntrySummary } from './past.ts'
import type { ReadAnswer, ReadQuery } from './reads.ts'
import type { Checkpoint, ProjectionDigest } from './store.ts'

/** What the worker can be asked, and what it answers. */
export interface Calls {
  read: { readonly ask: ReadQuery; readonly answer: ReadAnswer }
  entries: {
    readonly ask: { readonly from: number; readonly limit: number; readonly command: string | undefined }
    readonly answer: readonly EntrySummary[]
  }
  why: {
    readonly ask: { readonly kind: string; readonly project: string; readonly name: string }
    readonly answer: readonly EntrySummary[]
  }
  diff: {
    readonly ask: {
      readonly kinds: readonly string[]
      readonly from: string
      readonly to: string | undefined
      readonly now: number
    }
    readonly answer: Differences
  }
  feed: { readonly ask: FeedQuery; readonly answer: FeedBatch }
  digests: {
    readonly ask: Record<string, never>
    readonly answer: {
      readonly checkpoint: Checkpoint
      readonly digests: readonly ProjectionDigest[]
      readonly layout: string
    }
  }
  events: {
    readonly ask: { readonly projection: string; readonly query: string; readonly ask: object }
    readonly answer: unknown
  }
  scrub: { readonly ask: Record<string, never>; readonly answer: readonly string[] }
}

export type ToWorker =
  | { readonly type: 'apply'; readonly entries: PackedEntries }
  | { readonly type: 'call'; readonly id: number; readonly method: keyof Calls; readonly ask: object }
  /** What comes up to a revision is loaded: indexes are made after it. `isFresh`: nobody reads the file before. */
  | { readonly type: 'load'; readonly goal: number; readonly isFresh: boolean }
  | { readonly type: 'close' }

export interface Progress {
  readonly checkpoint: Checkpoint
  /** The revision of each set's last change. */
  readonly changed: Readonly<Record<string, number>>
  readonly quarantined: Readonly<Record<string, string>>
}

export type FromWorker =
  | { readonly type: 'opened'; readonly origin: Origin; readonly progress: Progress }
  | { readonly type: 'unusable'; readonly why: string }
  | {
      readonly type: 'applied'
      readonly checkpoint: Checkpoint
      /** The sets that have changed in it. */
      readonly changed: readonly string[]
      /** Undefined where that is as before. */
      readonly quarantined: Progress['quarantined'] | undefined
    }
  /** What a load was to bring is there, and is on disk where the file was fresh. */
  | { readonly type: 'loaded' }
  /** Nothing more is applied. A damaged file must be made anew. */
  | { readonly type: 'failed'; readonly why: string; readonly damaged: boolean }
  | { readonly type: 'answer'; readonly id: number; readonly answer: unknown }
  | {
      readonly type: 'refusal'
      readonly id: number
      readonly code: string
      readonly message: string
      readonly details: object
    }
  | { readonly type: 'closed' }
