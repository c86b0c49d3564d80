import { setTimeout as sleep } from 'node:timers/promises'
import { Rejection } from '../../domains/kernel/rejection.ts'
import type { FeedBatch } from '../control_plane.ts'
import type { ApiClient } from './client.ts'
import { feedBatches } from './feed_messages.ts'

export interface FeedSubscription {
  readonly projection: string
  /** A part of the projection; '' for all of it. */
  readonly slice: string
  /** The last revision seen and its history, when the follower kept what it knew; 0 and '' else. */
  readonly fromRevision: number
  readonly history: string
  /** The feed was interrupted: it goes on by itself. */
  readonly onInterruption?: ((why: Rejection) => void) | undefined
  readonly backoffMilliseconds?: { readonly first: number; readonly maximum: number } | undefined
}

const BACKOFF = { first: 200, maximum: 10_000 }

/** Waiting changes nothing about these. */
const final: ReadonlySet<string> = new Set([
  'INVALID_ARGUMENT',
  'UNAUTHENTICATED',
  'PERMISSION_DENIED',
  'NOT_FOUND',
  'UNKNOWN_COMMAND',
])

/** There is nothing to resume from: only a snapshot helps. */
const stale: ReadonlySet<string> = new Set(['HISTORY_MISMATCH', 'REVISION_COMPACTED'])

/**
 * Follows a feed until the signal aborts: opens it again after an interruption, from the last revision seen, and asks for a
 * snapshot when that revision is gone or belongs to another history. Throws Rejection when waiting would not help.
 */
export async function* followFeed(
  client: Pick<ApiClient, 'feedMessages'>,
  subscription: FeedSubscription,
  signal: AbortSignal,
): AsyncIterable<FeedBatch> {
  const { projection, slice, onInterruption, backoffMilliseconds = BACKOFF } = subscription
  let { fromRevision, history } = subscription
  let wait = backoffMilliseconds.first
  while (!signal.aborted) {
    const opening = new AbortController()
    const either = AbortSignal.any([signal, opening.signal])
    try {
      const request = { projection, slice, fromRevision, history }
      for await (const batch of feedBatches(client.feedMessages(request, either))) {
        if (!batch.snapshot && (history === '' || batch.history !== history))
          throw new Rejection(
            'HISTORY_MISMATCH',
            `changes of history ${batch.history} follow ${history || 'nothing'}`,
          )
        yield batch
        fromRevision = batch.revision
        history = batch.history
        wait = backoffMilliseconds.first
      }
    } catch (error) {
      if (!(error instanceof Rejection) || final.has(error.code)) throw error
      if (stale.has(error.code)) {
        fromRevision = 0
        history = ''
      }
      if (!signal.aborted) onInterruption?.(error)
    } finally {
      opening.abort()
    }
    await pause(wait, signal)
    wait = Math.min(wait * 2, backoffMilliseconds.maximum)
  }
}

async function pause(milliseconds: number, signal: AbortSignal): Promise<void> {
  try {
    await sleep(milliseconds, undefined, { signal })
  } catch {
    return
  }
}
