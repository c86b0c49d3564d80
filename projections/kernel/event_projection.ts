import type { DatabaseSync } from 'node:sqlite'

/** An event in its present shape. */
export interface ProjectedEvent {
  /** Without its domain. */
  readonly name: string
  readonly data: Readonly<Record<string, unknown>>
}

/** What an entry holds for those who read events themselves. */
export type ProjectedEntry =
  | { readonly kind: 'events'; readonly events: readonly ProjectedEvent[] }
  /** A new history, by a restore or a fork. */
  | { readonly kind: 'history' }

/** Tables of its own, made of a domain's events where there are no resources to make rows of. */
export interface EventProjection {
  readonly name: string
  /** Raised when the rows would come out differently: all tables are then built anew. */
  readonly version: number
  /** The domain whose events it is made of: it gets no others. */
  readonly domain: string
  /** Opens its tables, or makes them. `saved` is what it last said to save; undefined for a new file. */
  open(database: DatabaseSync, saved: unknown): OpenEventProjection
}

export interface OpenEventProjection {
  /** Within the transaction of the checkpoint. Rows may wait for `flush`. */
  apply(entry: ProjectedEntry): void
  /** Writes what waits: before the checkpoint. */
  flush(): void
  /** Saved as JSON with the checkpoint. */
  readonly saved: unknown
  /** Of everything it serves; the same on every replica. */
  readonly digest: string
  /** Answers a query of its own. Throws Rejection. */
  answer(query: string, ask: object): unknown
  /** Reads all rows again, in steps, and says whether they are what the digest says. */
  scrub(): Generator<void, boolean>
}
