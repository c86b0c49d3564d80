import { setTimeout as delay } from 'node:timers/promises'
import { HostError } from './errors.ts'

/**
 * Waits until `probe` gives something other than undefined, asking every `intervalMilliseconds`.
 *
 * @throws HostError `hostd/deadline_exceeded` that says what was waited for.
 */
export async function waitUntil<T>(
  what: string,
  deadlineMilliseconds: number,
  probe: () => Promise<T | undefined> | T | undefined,
  intervalMilliseconds = 25,
): Promise<T> {
  const end = performance.now() + deadlineMilliseconds
  for (;;) {
    const found = await probe()
    if (found !== undefined) return found
    if (performance.now() >= end) {
      throw new HostError('hostd/deadline_exceeded', `${what}, after ${deadlineMilliseconds} ms.`)
    }
    await delay(intervalMilliseconds)
  }
}
