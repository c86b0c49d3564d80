import type { Origin } from '../../domains/kernel/origin.ts'
import type { FeedBatch, FeedQuery } from './changes.ts'
import type { Differences, EntrySummary } from './past.ts'
import type { ReadAnswer, ReadQuery } from './reads.ts'
import type { Checkpoint, ProjectionDigest } from './store.ts'

/** A committed entry on its way to the worker. */
export interface ShippedEntry {
  readonly revision: number
  /** Null for a no-op. */
  readonly payload: Uint8Array | null
}

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
  | { readonly type: 'apply'; readonly entries: readonly ShippedEntry[] }
  | { readonly type: 'call'; readonly id: number; readonly method: keyof Calls; readonly ask: object }
  | { readonly type: 'create_indexes' }
  | { readonly type: 'close' }

export interface Progress {
  readonly checkpoint: Checkpoint
  readonly origin: Origin
  /** The revision of each set's last change. */
  readonly changed: Readonly<Record<string, number>>
  readonly quarantined: Readonly<Record<string, string>>
}

export type FromWorker =
  | ({ readonly type: 'opened' } & Progress)
  | { readonly type: 'unusable'; readonly why: string }
  | ({ readonly type: 'applied' } & Progress)
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
