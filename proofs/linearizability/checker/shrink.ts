import type { KvOperation } from './operations.ts'
import { isWrite } from './operations.ts'

const CHECKS_MAX = 300

/**
 * A smaller history that is wrong still: cut off after the first answer that makes it so, without the reads that are not needed, and with
 * writes whose answers are not needed as if those had never come. What is left out only takes demands away, so what is wrong with the
 * smaller history is wrong with the whole. `isWrong` must be true of the whole.
 */
export function shrink(
  operations: readonly KvOperation[],
  isWrong: (operations: readonly KvOperation[]) => boolean,
): readonly KvOperation[] {
  let left = shortestPrefix(operations, isWrong)
  let checks = 0
  const attempt = (smaller: readonly KvOperation[]): void => {
    if (checks++ < CHECKS_MAX && isWrong(smaller)) left = smaller
  }
  for (const { id, input, end } of left.toReversed()) {
    if (!isWrite(input)) attempt(left.filter((each) => each.id !== id))
    else if (end !== Number.POSITIVE_INFINITY)
      attempt(left.map((each) => (each.id === id ? unanswered(each) : each)))
  }
  return left
}

/** What is linearizable has only linearizable beginnings: the first end of a wrong one can be found by halving. */
function shortestPrefix(
  operations: readonly KvOperation[],
  isWrong: (operations: readonly KvOperation[]) => boolean,
): readonly KvOperation[] {
  const ends = operations.map(({ end }) => end).filter((end) => end !== Number.POSITIVE_INFINITY)
  ends.sort((a, b) => a - b)
  let low = 0
  let high = ends.length - 1
  while (low < high) {
    const middle = (low + high) >> 1
    if (isWrong(prefix(operations, ends[middle] as number))) high = middle
    else low = middle + 1
  }
  const shortest = prefix(operations, ends[low] ?? 0)
  return isWrong(shortest) ? shortest : operations
}

/** What was called and answered until a time: what was under way then is not answered. */
function prefix(operations: readonly KvOperation[], time: number): readonly KvOperation[] {
  return operations
    .filter(({ call, end, input }) => call <= time && (end <= time || isWrite(input)))
    .map((each) => (each.end <= time ? each : unanswered(each)))
}

function unanswered(operation: KvOperation): KvOperation {
  return { ...operation, end: Number.POSITIVE_INFINITY, output: undefined }
}
