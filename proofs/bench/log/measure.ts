import type { Clusters } from './clusters.ts'

/** What every measure is told. */
export interface Context {
  /** Alternating runs of both. */
  readonly runs: number
  /** Of load in one run. */
  readonly seconds: number
  /** Keys that load is spread over: each is a process of its own that makes it. */
  readonly keys: number
  /** Small amounts: shows that the measure works, and says nothing of speed. */
  readonly quick: boolean
  readonly clusters: Clusters
  readonly say: (line: string) => void
  /** Aborted when it is to end early. */
  readonly signal: AbortSignal
}

/** One file a measure, with its name on the command line. */
export interface Measure {
  readonly name: string
  readonly run: (context: Context) => Promise<readonly Figure[]>
}

/** The figures of all runs, in order. */
export interface Spread {
  readonly median: number
  readonly min: number
  readonly max: number
  readonly runs: readonly number[]
}

/** What a figure is held against: its ratio to etcd's in the same runs, or its own value. */
export interface Target {
  readonly of: 'ratio' | 'value'
  readonly bound: 'at least' | 'at most'
  readonly number: number
}

export interface Figure {
  readonly name: string
  readonly unit: string
  readonly ours: Spread
  readonly etcd?: Spread
  /** Of the medians, ours to etcd's. */
  readonly ratio?: number
  readonly target?: Target
  readonly met?: boolean
  /** More that was seen, by name with its unit. */
  readonly also?: Readonly<Record<string, number | string>>
}

interface Found {
  readonly name: string
  readonly unit: string
  readonly ours: readonly number[]
  readonly etcd?: readonly number[] | undefined
  readonly target?: Target | undefined
  readonly also?: Readonly<Record<string, number | string>>
}

/** A figure of what was found in so many runs, judged. Throws RangeError for no runs, or a target of a ratio to nothing. */
export function figureOf({ name, unit, ours, etcd, target, also }: Found): Figure {
  const spread = spreadOf(ours)
  const other = etcd === undefined ? undefined : spreadOf(etcd)
  const ratio = other === undefined ? undefined : spread.median / other.median
  const judged = target === undefined ? {} : { target, met: isMet(target, spread.median, ratio) }
  return {
    name,
    unit,
    ours: spread,
    ...(other === undefined ? {} : { etcd: other, ratio }),
    ...judged,
    ...(also === undefined ? {} : { also }),
  } as Figure
}

function isMet(target: Target, value: number, ratio: number | undefined): boolean {
  const seen = target.of === 'ratio' ? ratio : value
  if (seen === undefined) throw new RangeError('there is nothing to take a ratio to')
  return target.bound === 'at least' ? seen >= target.number : seen <= target.number
}

/** Throws RangeError for no figures. */
export function spreadOf(runs: readonly number[]): Spread {
  const sorted = [...runs].sort((a, b) => a - b)
  const [min] = sorted
  const max = sorted.at(-1)
  if (min === undefined || max === undefined) throw new RangeError('there is no run')
  return { median: percentile(sorted, 0.5), min, max, runs }
}

/** Of figures in ascending order: between two neighbours it is interpolated. */
export function percentile(sorted: readonly number[] | Float64Array, share: number): number {
  const place = (sorted.length - 1) * share
  const below = sorted[Math.floor(place)] ?? 0
  const above = sorted[Math.ceil(place)] ?? below
  return below + (above - below) * (place - Math.floor(place))
}
