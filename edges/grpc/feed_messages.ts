import type { Of } from '../../domains/kernel/contract.ts'
import type { FeedBatch } from '../control_plane.ts'
import type { FollowFeedResponse } from './cluster_service.ts'
import { MESSAGE_CHARACTERS_MAX } from './limits.ts'

/** A batch has at most this many changes; a receiver stops at more. */
const BATCH_CHANGES_MAX = 1_000_000

type FeedMessage = Of<typeof FollowFeedResponse>

/** Cuts batches into messages of bounded size: all but a batch's last are partial. */
export async function* feedMessages(batches: AsyncIterable<FeedBatch>): AsyncIterable<FeedMessage> {
  for await (const batch of batches) yield* batchMessages(batch)
}

function* batchMessages({
  history,
  revision,
  snapshot,
  changes,
  more = false,
}: FeedBatch): Iterable<FeedMessage> {
  let part: { key: string; rowJson: string | null }[] = []
  let characters = 0
  for (const { key, row } of changes) {
    const rowJson = row === null ? null : JSON.stringify(row)
    const size = key.length + (rowJson?.length ?? 0)
    if (part.length > 0 && characters + size > MESSAGE_CHARACTERS_MAX) {
      yield { history, revision, snapshot, changes: part, partial: true }
      part = []
      characters = 0
    }
    part.push({ key, rowJson })
    characters += size
  }
  yield { history, revision, snapshot, changes: part, partial: more }
}

/** Puts batches together again. Throws RangeError for one beyond the bound. */
export async function* feedBatches(messages: AsyncIterable<FeedMessage>): AsyncIterable<FeedBatch> {
  let changes: FeedBatch['changes'][number][] = []
  for await (const { history, revision, snapshot, changes: part, partial } of messages) {
    for (const { key, rowJson } of part) {
      const row = rowJson === null ? null : (JSON.parse(rowJson) as Record<string, unknown>)
      changes.push({ key, row })
    }
    if (changes.length > BATCH_CHANGES_MAX) throw new RangeError('a batch of the feed is beyond its bound')
    if (partial) continue
    yield { history, revision, snapshot, changes }
    changes = []
  }
}
