const firstMilliseconds = 100
const maxMilliseconds = 10_000

/**
 * How long to wait before attempt `attempt` (counted from 0): doubling from 100 ms to 10 s, half of it at random, so that hosts that
 * lost the control plane together do not come back together.
 */
export function backoffMilliseconds(attempt: number): number {
  const ceiling = Math.min(maxMilliseconds, firstMilliseconds * 2 ** Math.min(attempt, 10))
  return ceiling / 2 + Math.random() * (ceiling / 2)
}
