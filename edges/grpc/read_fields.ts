import type { ReadReply, ReadRequest } from '../control_plane.ts'

/** A read as its method's request. */
export function readFields(request: ReadRequest): Record<string, unknown> {
  const { project, name, uid, filter, pageSize, pageToken, at, minRevision, consistency } = request
  return {
    project,
    name,
    uid,
    filter,
    pageSize,
    pageToken,
    readOptions: { at, minRevision, consistency },
  }
}

/** The rows of a read from its method's response, where they are under `field`. */
export function readReply(response: Record<string, unknown>, field: string): ReadReply {
  const { revision, history } = response['readOutcome'] as { revision: number; history: string }
  const found = response[field] as Record<string, unknown> | Record<string, unknown>[]
  const nextPageToken = (response['nextPageToken'] as string | undefined) ?? ''
  return { revision, history, rows: Array.isArray(found) ? found : [found], nextPageToken }
}
