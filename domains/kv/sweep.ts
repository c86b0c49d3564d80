import type { Tables, View } from '../kernel/domain.ts'
import { Rejection } from '../kernel/rejection.ts'
import { type Interval, meets } from './interval.ts'
import type state from './state.ts'
import type { Sweep } from './state.ts'

/** Rows that one entry takes out, at most: a few milliseconds of work, so that heartbeats get through between two. */
export const ROWS_AT_ONCE = 1000

export const NOTHING: Sweep = { intervals: [], lease: null }

/** Whether the rows of a deletion are too many for one entry. */
export function isLarge(rows: number): boolean {
  return rows > ROWS_AT_ONCE
}

/** Whether rows are being swept that intervals may hold: what is read of them is neither as before the deletion nor as after it. */
export function isSwept({ sweep }: Pick<View<typeof state>, 'sweep'>, wanted: readonly Interval[]): boolean {
  const current = sweep.get('current')
  if (current === undefined) return false
  const { intervals, lease } = current
  return wanted.some(
    (each) => lease !== null || intervals.some(({ from, to }) => meets([from, to ?? undefined], each)),
  )
}

/** Throws a Rejection when what is to be read or written is being swept. */
export function checkSwept(view: Pick<View<typeof state>, 'sweep'>, wanted: readonly Interval[]): void {
  if (isSwept(view, wanted))
    throw new Rejection('OVERLOADED', 'a large deletion of these keys is under way: try again later')
}

/** Takes out the next rows of what is being swept. */
export function sweep(store: Tables<typeof state>, rows: number): void {
  const { intervals, lease } = store.sweep.get('current') ?? NOTHING
  const [first, ...others] = intervals
  let rest: Sweep
  if (first !== undefined) {
    const { from, to } = first
    const last = take(store, store.keys.keys(from, to ?? undefined), rows)
    rest = { lease, intervals: last === undefined ? others : [{ from: after(last), to }, ...others] }
  } else if (lease !== null) {
    const { id, from } = lease
    const last = take(store, store.keys.listKeys('lease', id, from), rows)
    rest = { intervals, lease: last === undefined ? null : { id, from: after(last) } }
  } else return
  if (rest.intervals.length === 0 && rest.lease === null) store.sweep.delete('current')
  else store.sweep.put('current', rest)
}

/** Deletes rows; returns the key of the last one if there were as many as there could be. */
function take(store: Tables<typeof state>, keys: Iterable<string>, most: number): string | undefined {
  const found: string[] = []
  for (const key of keys) if (found.push(key) === most) break
  for (const key of found) store.keys.delete(key)
  return found.length < most ? undefined : found.at(-1)
}

function after(key: string): string {
  return `${key}\0`
}
