import { bounds } from './interval.ts'
import type { KeyValue, RangeAnswer, RangeRequest } from './model.ts'

/** Where the keys of an interval come from, in ascending order. */
export interface RangeSource {
  count(from: string, to: string | undefined): number
  /** At most `limit` of them where it is given. */
  read(from: string, to: string | undefined, limit: number | undefined): readonly KeyValue[]
}

interface KeyTable {
  countRange(from: string, to?: string): number
  range(from: string, to?: string): IterableIterator<KeyValue>
}

/** The present keys. */
export function presentSource(keys: KeyTable): RangeSource {
  return {
    count: (from, to) => keys.countRange(from, to),
    read: (from, to, limit) => {
      const found: KeyValue[] = []
      for (const row of keys.range(from, to)) if (found.push(row) === limit) break
      return found
    },
  }
}

/** Keys that are read in one turn of the event loop, at most, where a reader can wait. */
const AT_ONCE_MAX = 1000

/** The keys of a range as they were at one moment, to be read in chunks. Whoever does not read them to the end returns `chunks`. */
export interface PinnedRange {
  readonly revision: number
  readonly count: number
  readonly chunks: AsyncIterableIterator<readonly KeyValue[]>
}

interface PinnableTable extends KeyTable {
  chunks(from: string, to?: string): AsyncIterableIterator<readonly KeyValue[]>
}

/** Pins a range that would take too many keys to be read at once; undefined for all others. */
export function pinRange(
  request: RangeRequest,
  keys: PinnableTable,
  revision: number,
): PinnedRange | undefined {
  if (request.countOnly || (!needsAll(request) && request.limit < AT_ONCE_MAX)) return undefined
  const [from, to] = bounds(request.key, request.rangeEnd)
  const count = keys.countRange(from, to)
  return count <= AT_ONCE_MAX ? undefined : { revision, count, chunks: keys.chunks(from, to) }
}

/** Answers a pinned range, with turns of the event loop in between. What `answerRange` would leave out is not kept. */
export async function answerPinned(
  request: RangeRequest,
  { chunks, count, revision }: PinnedRange,
): Promise<RangeAnswer> {
  const kvs: KeyValue[] = []
  const enough = needsAll(request) ? Number.POSITIVE_INFINITY : request.limit + 1
  for await (const chunk of chunks) {
    for (const kv of chunk) if (within(request, kv)) kvs.push(kv)
    if (kvs.length >= enough) break
  }
  return answerRange(request, { count: () => count, read: () => kvs }, revision)
}

function needsAll(request: RangeRequest): boolean {
  return request.sortOrder !== 'none' || bounded(request) || request.limit <= 0
}

/**
 * Answers a range as etcd does (3.4, etcdserver/apply.go): a limit is applied before sorting unless an order or a bound of
 * revisions is given, the count knows neither limit nor bounds.
 */
export function answerRange(request: RangeRequest, source: RangeSource, revision: number): RangeAnswer {
  const [from, to] = bounds(request.key, request.rangeEnd)
  const count = source.count(from, to)
  if (request.countOnly) return { revision, kvs: [], more: false, count }
  const { limit, sortOrder, sortTarget } = request
  const found = source.read(from, to, needsAll(request) ? undefined : limit + 1)
  const kept = bounded(request) ? found.filter((kv) => within(request, kv)) : [...found]
  if (sortTarget !== 'key') kept.sort(comparing(sortTarget, sortOrder === 'descend'))
  else if (sortOrder === 'descend') kept.reverse()
  const more = limit > 0 && kept.length > limit
  if (more) kept.length = limit
  return {
    revision,
    kvs: request.keysOnly ? kept.map((kv) => ({ ...kv, value: '' })) : kept,
    more,
    count,
  }
}

function bounded(request: RangeRequest): boolean {
  const { minModRevision, maxModRevision, minCreateRevision, maxCreateRevision } = request
  return minModRevision !== 0 || maxModRevision !== 0 || minCreateRevision !== 0 || maxCreateRevision !== 0
}

function within(request: RangeRequest, { modRevision, createRevision }: KeyValue): boolean {
  const { minModRevision, maxModRevision, minCreateRevision, maxCreateRevision } = request
  return (
    (maxModRevision === 0 || modRevision <= maxModRevision) &&
    (minModRevision === 0 || modRevision >= minModRevision) &&
    (maxCreateRevision === 0 || createRevision <= maxCreateRevision) &&
    (minCreateRevision === 0 || createRevision >= minCreateRevision)
  )
}

const fieldOf = {
  version: 'version',
  create: 'createRevision',
  mod: 'modRevision',
  value: 'value',
} as const satisfies Record<string, keyof KeyValue>

function comparing(target: keyof typeof fieldOf, descending: boolean) {
  const field = fieldOf[target]
  const sign = descending ? -1 : 1
  return (a: KeyValue, b: KeyValue): number =>
    a[field] === b[field] ? 0 : a[field] < b[field] ? -sign : sign
}
