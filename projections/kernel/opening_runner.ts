import type { Runner } from './runner.ts'

/** What is read of the projections. */
export type ProjectedReads = Pick<Runner, 'call' | 'whenProjected'>

/** Reads of projections that may still be opened: each waits for that, and rejects with what opening rejects with. */
export function readsOf(opening: Promise<Runner>): ProjectedReads {
  return {
    call: async (method, ask) => (await opening).call(method, ask),
    whenProjected: async (revision, timeoutMilliseconds) =>
      (await opening).whenProjected(revision, timeoutMilliseconds),
  }
}
