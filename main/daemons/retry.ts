import { setTimeout as sleep } from 'node:timers/promises'
import { Rejection } from '../../domains/kernel/rejection.ts'

const RETRY_MS = 500
const ATTEMPTS_MAX = 240

/** Nobody answered, or it may or may not have happened: the same command with the same id is safe. */
const retriable: ReadonlySet<string> = new Set([
  'OUTCOME_UNKNOWN',
  'UNAVAILABLE',
  'NOT_LEADER',
  'TIMEOUT',
  'OVERLOADED',
])

/**
 * Does something until it is done or refused for good, for two minutes at least. Rejects with what it was refused with, and with
 * UNAVAILABLE as soon as the signal aborts. Says once why it has to wait.
 */
export async function retried<T>(
  action: () => Promise<T>,
  signal: AbortSignal,
  onWait: (why: Rejection) => void = () => undefined,
): Promise<T> {
  const { promise: aborted, reject } = Promise.withResolvers<never>()
  aborted.catch(() => undefined)
  const onAbort = (): void => reject(new Rejection('UNAVAILABLE', 'this daemon is stopping'))
  if (signal.aborted) onAbort()
  signal.addEventListener('abort', onAbort, { once: true })
  try {
    for (let attempt = 1; ; attempt++) {
      try {
        return await Promise.race([action(), aborted])
      } catch (error) {
        const again = error instanceof Rejection && retriable.has(error.code) && attempt < ATTEMPTS_MAX
        if (!again || signal.aborted) throw error
        if (attempt === 1) onWait(error)
        await Promise.race([sleep(RETRY_MS, undefined, { signal }).catch(() => undefined), aborted])
      }
    }
  } finally {
    signal.removeEventListener('abort', onAbort)
  }
}
