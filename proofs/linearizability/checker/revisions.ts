/** A revision that no client was told: what a write whose outcome is not known got, if it happened. */
export interface OpenRevision {
  /** Negative: it stands where a revision would. */
  readonly id: number
  /** It is at least, and at most, this. */
  readonly low: number
  readonly high: number
}

/** In the order of their writes: each is above the one before it. */
export type OpenRevisions = readonly OpenRevision[]

/** Appends one that is above every revision so far. */
export function opened(open: OpenRevisions, id: number, low: number): OpenRevisions {
  return [...open, { id, low, high: Number.POSITIVE_INFINITY }]
}

/** All of them are at most a revision that is known. Undefined when they cannot be. */
export function capped(open: OpenRevisions, high: number): OpenRevisions | undefined {
  return tightened(open.map((each) => (each.high > high ? { ...each, high } : each)))
}

/** One of them is within bounds. Undefined when it cannot be. */
export function narrowed(
  open: OpenRevisions,
  id: number,
  low: number,
  high: number,
): OpenRevisions | undefined {
  return tightened(
    open.map((each) =>
      each.id === id ? { id, low: Math.max(low, each.low), high: Math.min(high, each.high) } : each,
    ),
  )
}

/** Without those that nothing refers to any more, as far as the others do not depend on them. */
export function trimmed(open: OpenRevisions, isUsed: (id: number) => boolean): OpenRevisions {
  const first = open.findIndex(({ id }) => isUsed(id))
  const last = open.findLastIndex(({ id, high }) => isUsed(id) || high === Number.POSITIVE_INFINITY)
  if (first === -1) return open.filter(({ high }) => high === Number.POSITIVE_INFINITY)
  return open.slice(first, last + 1)
}

function tightened(open: OpenRevisions): OpenRevisions | undefined {
  const result = [...open]
  let low = Number.NEGATIVE_INFINITY
  for (const [index, each] of result.entries()) {
    low = Math.max(each.low, low + 1)
    result[index] = { ...each, low }
  }
  let high = Number.POSITIVE_INFINITY
  for (let index = result.length - 1; index >= 0; index--) {
    const each = result[index] as OpenRevision
    high = Math.min(each.high, high - 1)
    if (each.low > high) return undefined
    result[index] = { ...each, high }
  }
  return result
}
