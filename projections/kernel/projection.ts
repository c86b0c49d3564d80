import type { Contract, RowOf } from '../../domains/kernel/contract.ts'
import type { AnyRow } from '../../domains/kernel/registry.ts'

/** The resource rows as of the entry that is being projected. */
export interface ProjectedResources {
  get<C extends Contract, K extends Extract<keyof C['resources'], string>>(
    contract: C,
    kind: K,
    uid: string,
  ): RowOf<C['resources'][K]> | undefined
  /**
   * The rows of one kind that refer to a resource by any field but their project, in the order of their uids. The projection must
   * say that it asks for them: throws RangeError otherwise.
   */
  referrers<C extends Contract, K extends Extract<keyof C['resources'], string>>(
    contract: C,
    kind: K,
    identity: string,
  ): readonly RowOf<C['resources'][K]>[]
  /** All rows of a kind, in the order of their uids. */
  all<C extends Contract, K extends Extract<keyof C['resources'], string>>(
    contract: C,
    kind: K,
  ): readonly RowOf<C['resources'][K]>[]
}

/** A resource's row before and after an entry. */
export interface ResourceChange {
  /** `domain.resource`. */
  readonly kind: string
  readonly before: AnyRow | undefined
  readonly after: AnyRow | undefined
}

/** A row of a projection. */
export interface ProjectedRow {
  /** What a feed can be narrowed to; '' where a projection is followed whole. A key never moves to another slice. */
  readonly slice: string
  /** As JSON would give it back: nothing in it is undefined. */
  readonly data: object
}

export interface ProjectionContext {
  /** The entry's time in milliseconds since 1970. */
  readonly now: number
  readonly revision: number
  /** The row's data so far; undefined when there is none. */
  readonly before: Readonly<Record<string, unknown>> | undefined
  /** Where a history begins that goes on from another: the milliseconds since the last entry they share; undefined for any other entry. */
  readonly sinceParent: number | undefined
}

/** Rows made of resource rows: which of them a change concerns, and what each then is. Pure. */
export interface Projection {
  readonly name: string
  /** Raised when the rows would come out differently: the tables are then built anew. */
  readonly version: number
  /** The kinds that it asks for referrers of, as `domain.resource`: who refers to whom is kept for those alone. */
  readonly referrers: readonly string[]
  /** The keys of the rows that a change may concern. What an entry does to a row is one change. */
  affected(change: ResourceChange, resources: ProjectedResources): readonly string[]
  /** The keys of the rows that a new history concerns. */
  affectedByHistory(resources: ProjectedResources): readonly string[]
  /** The row under a key; undefined when there is none. */
  row(key: string, resources: ProjectedResources, context: ProjectionContext): ProjectedRow | undefined
}
