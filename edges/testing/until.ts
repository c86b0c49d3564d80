import { setTimeout as sleep } from 'node:timers/promises'

const DEADLINE_MS = 10_000
const STEP_MS = 10

/** Waits for a condition. Throws Error, naming it, when it does not come about in time. */
export async function until(what: string, holds: () => boolean): Promise<void> {
  const deadline = Date.now() + DEADLINE_MS
  while (!holds()) {
    if (Date.now() > deadline) throw new Error(`it did not come about: ${what}`)
    await sleep(STEP_MS)
  }
}
