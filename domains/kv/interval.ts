import type { KeyValue } from './model.ts'
import type { RangeSource } from './range.ts'

/** Keys from one on, and below another where that is given. */
export type Interval = readonly [from: string, to: string | undefined]

export const EVERYTHING: Interval = ['', undefined]

/** The interval that a key and a range end name: one key for '', all from the key on for a zero byte, else up to the end. */
export function bounds(key: string, rangeEnd: string): Interval {
  if (rangeEnd === '') return [key, `${key}\0`]
  return rangeEnd === '\0' ? [key, undefined] : [key, rangeEnd]
}

/** A source without the keys of some intervals. */
export function without(source: RangeSource, gone: readonly Interval[]): RangeSource {
  if (gone.length === 0) return source
  const left = (from: string, to: string | undefined): readonly Interval[] =>
    gone.reduce<readonly Interval[]>(
      (parts, each) => parts.flatMap((part) => outside(part, each)),
      [[from, to]],
    )
  return {
    count: (from, to) => left(from, to).reduce((sum, part) => sum + source.count(...part), 0),
    read: (from, to, limit) => {
      const found: KeyValue[] = []
      for (const part of left(from, to)) {
        if (found.length === limit) break
        for (const kv of source.read(...part, limit === undefined ? undefined : limit - found.length))
          found.push(kv)
      }
      return found
    },
  }
}

/** Whether a key can be in both. */
export function meets([from, to]: Interval, [otherFrom, otherTo]: Interval): boolean {
  const first = from < otherFrom ? otherFrom : from
  return isBefore(first, to) && isBefore(first, otherTo)
}

/** What of an interval is before another, and what is after it. */
function outside(part: Interval, gone: Interval): readonly Interval[] {
  if (!meets(part, gone)) return [part]
  const [from, to] = part
  const [goneFrom, goneTo] = gone
  const found: Interval[] = []
  if (from < goneFrom) found.push([from, goneFrom])
  if (goneTo !== undefined && isBefore(goneTo, to)) found.push([goneTo, to])
  return found
}

function isBefore(key: string, end: string | undefined): boolean {
  return end === undefined || key < end
}
