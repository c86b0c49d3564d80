import type { Message, Of } from '../../domains/kernel/contract.ts'
import { parseRequest } from '../../domains/kernel/parse.ts'
import { clusterStatus } from '../cluster_status.ts'
import type { BackupChunk, ControlPlane, LogPage } from '../control_plane.ts'
import { whenLogIsFresh } from '../fresh_log.ts'
import type { Call, Fields, StreamCall, StreamHandler, UnaryHandler } from './call.ts'
import {
  BackupRequest,
  type ClusterMethodName,
  CommittedRequest,
  DiffRequest,
  FollowFeedRequest,
  HeartbeatRequest,
  LogRequest,
  MemberListRequest,
  StatusRequest,
  WhyRequest,
} from './cluster_service.ts'
import { feedMessages } from './feed_messages.ts'
import type { Forwarder } from './forward.ts'
import { diffFields, entryFields } from './history_fields.ts'
import { MESSAGE_CHARACTERS_MAX } from './limits.ts'

const LOG_BATCH = 256

type StreamName = 'Log' | 'FollowFeed' | 'Backup'
type UnaryHandlers = Readonly<Record<Exclude<ClusterMethodName, StreamName>, UnaryHandler>>
type StreamHandlers = Readonly<Record<StreamName, StreamHandler>>

/** What serves the cluster's own service. */
export function clusterHandlers(control: ControlPlane, forwarder: Forwarder): UnaryHandlers & StreamHandlers {
  return {
    Status: with_('Status', StatusRequest, async (_, { actor, token, forwarded }) => {
      if (forwarded) return { ...(await control.status(actor)) }
      return { ...(await clusterStatus(control, actor, (leader) => forwarder.status(leader, token))) }
    }),
    MemberList: with_('MemberList', MemberListRequest, async (_, { actor }) => {
      const { members } = await control.status(actor)
      return { members }
    }),
    Committed: with_('Committed', CommittedRequest, async (_, { actor }) => ({
      revision: await control.committed(actor),
    })),
    Why: with_('Why', WhyRequest, async ({ kind, name, project }, { actor }) => {
      const entries = await control.why(actor, kind, name, project === '' ? undefined : project)
      return { entries: entries.map(entryFields) }
    }),
    Diff: with_('Diff', DiffRequest, async ({ from, to }, { actor }) =>
      diffFields(await control.diff(actor, from, to)),
    ),
    Heartbeat: with_('Heartbeat', HeartbeatRequest, async (beat, { actor }) => {
      control.heartbeat(actor, beat)
      return {}
    }),
    Log: (request, call) => followLog(control, forwarder, parseRequest('Log', LogRequest, request), call),
    FollowFeed: (request, call) => {
      const feed = parseRequest('FollowFeed', FollowFeedRequest, request)
      return feedMessages(control.feed(call.actor, feed, call.signal))
    },
    Backup: (request, { actor, signal }) => {
      parseRequest('Backup', BackupRequest, request)
      return backupMessages(control.backup(actor, signal))
    },
  }
}

function with_<M extends Message>(
  name: string,
  request: M,
  handle: (request: Of<M>, call: Call) => Promise<Fields>,
): UnaryHandler {
  return async (fields, call) => await handle(parseRequest(name, request, fields), call)
}

async function* followLog(
  control: ControlPlane,
  forwarder: Forwarder,
  request: Of<typeof LogRequest>,
  { actor, token, signal }: StreamCall,
): AsyncIterable<Fields> {
  await whenLogIsFresh(control, actor, (leader) => forwarder.committed(leader, token), signal)
  let from = Math.max(1, request.from)
  let left = request.limit === 0 ? Number.POSITIVE_INFINITY : request.limit
  const type = request.type === '' ? undefined : request.type
  while (left > 0 && !signal.aborted) {
    const page = await control.log(actor, { from, limit: Math.min(LOG_BATCH, left), type })
    left -= page.entries.length
    yield* logMessages(page)
    const ended = page.next <= from
    from = page.next
    if (ended && !request.follow) return
    if (ended) await control.waitForRevision(from, signal)
  }
}

/** Cuts a page into messages of bounded size. */
function* logMessages({ entries, next }: LogPage): Iterable<Fields> {
  let part: Fields[] = []
  let characters = 0
  for (const entry of entries) {
    const fields = entryFields(entry)
    const size = JSON.stringify(fields).length
    if (part.length > 0 && characters + size > MESSAGE_CHARACTERS_MAX) {
      yield { entries: part, next: entry.revision }
      part = []
      characters = 0
    }
    part.push(fields)
    characters += size
  }
  if (part.length > 0) yield { entries: part, next }
}

async function* backupMessages(chunks: AsyncIterable<BackupChunk>): AsyncIterable<Fields> {
  for await (const chunk of chunks) yield { ...chunk }
}
