import { setTimeout as sleep } from 'node:timers/promises'

const STEP_MS = 20

/** Resolves with what `find` gives, as soon as that is something. Rejects, naming it, after so many milliseconds. */
export async function until<T>(
  what: string,
  timeoutMilliseconds: number,
  find: () => T | undefined | Promise<T | undefined>,
): Promise<T> {
  const deadline = performance.now() + timeoutMilliseconds
  for (;;) {
    const found = await find()
    if (found !== undefined) return found
    if (performance.now() > deadline)
      throw new Error(`it did not come about in ${timeoutMilliseconds} ms: ${what}`)
    await sleep(STEP_MS)
  }
}
