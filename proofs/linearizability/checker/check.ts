import { describeHistory } from './describe.ts'
import { kvModel } from './kv_model.ts'
import { type Limits, linearize, type Verdict } from './linearize.ts'
import type { KvOperation } from './operations.ts'
import { partition } from './partition.ts'
import { hintsOf, resolved } from './resolve.ts'
import { shrink } from './shrink.ts'

export interface LinearizabilityReport {
  readonly parts: number
  readonly operations: number
  readonly largest: number
  /** Shrunk and for people: one of each part that no order explains. */
  readonly violations: readonly string[]
  /** Parts that were not decided within the limits, and why. */
  readonly undecided: readonly string[]
}

/** Of parts that are wrong, so many are shrunk and described. */
const DESCRIBED_MAX = 3
const SHRINK_LIMITS: Limits = { milliseconds: 500, states: 100_000 }

/** Whether every part of a history is linearizable. The limits are those of one part. */
export function checkLinearizability(
  operations: readonly KvOperation[],
  limits: Limits,
): LinearizabilityReport {
  const parts = partition(operations)
  const violations: string[] = []
  const undecided: string[] = []
  for (const part of parts) {
    const verdict = checkPart(part, limits)
    if (verdict.outcome === 'unknown') undecided.push(`${part.length} operations: ${verdict.why}`)
    if (verdict.outcome === 'violation')
      violations.push(
        violations.length < DESCRIBED_MAX
          ? describeViolation(part)
          : `${part.length} operations that no order explains`,
      )
  }
  const largest = Math.max(0, ...parts.map(({ length }) => length))
  return { parts: parts.length, operations: operations.length, largest, violations, undecided }
}

/** Whether a history of keys and leases that belong together is linearizable. Values must be unique. */
export function checkPart(operations: readonly KvOperation[], limits: Limits): Verdict {
  const known = resolved(operations)
  return linearize(kvModel, known, limits, hintsOf(known))
}

function describeViolation(part: readonly KvOperation[]): string {
  const small = shrink(part, (smaller) => checkPart(smaller, SHRINK_LIMITS).outcome === 'violation')
  const verdict = checkPart(small, SHRINK_LIMITS)
  const longest = verdict.outcome === 'violation' ? verdict.longest : []
  return `no order explains these ${small.length} of ${part.length} operations:\n${describeHistory(small, longest)}`
}
