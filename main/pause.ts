import { setTimeout as sleep } from 'node:timers/promises'

const PAUSE_MS = 5

/** Between two steps of something long: what has come in meanwhile is answered, which takes a few turns of the event loop. */
export function pause(): Promise<void> {
  return sleep(PAUSE_MS)
}
