import { z } from 'zod'
import { bytes, message } from '../../domains/kernel/contract.ts'
import { Event } from '../../domains/kernel/wire/common.ts'
import type { Method, Service } from '../../domains/kernel/wire/service.ts'

const milliseconds = z.int().describe('Milliseconds since 1970.')
const kind = z.string().min(3).max(127).describe('domain.resource')
const moment = z.string().max(64).describe('A revision, an RFC 3339 time, or how long ago (2h).')

const Actor = message({
  principal: [1, z.string()],
  kind: [2, z.enum(['user', 'service_account', 'process'])],
})

const LogEntry = message({
  revision: [1, z.int()],
  time: [2, milliseconds],
  command: [3, z.string().describe('domain.Command; empty where a history begins.')],
  actor: [4, Actor.schema],
  commandId: [5, z.string()],
  cause: [6, z.string().describe("A process's reason; empty for a person's own doing.")],
  requestJson: [7, z.string()],
  events: [8, z.array(Event.schema)],
})

const RowChange = message({
  kind: [1, kind],
  uid: [2, z.string()],
  beforeJson: [3, z.string().nullable().describe('Absent: it was not there.')],
  afterJson: [4, z.string().nullable().describe('Absent: it is gone.')],
})

const Member = message({
  id: [1, z.string()],
  address: [2, z.string()],
  leader: [3, z.boolean()],
})

const ProjectionStatus = message({
  name: [1, z.string()],
  revision: [2, z.int()],
  lag: [3, z.int().describe('Entries it is behind.')],
  digest: [4, z.string().describe('Of all its rows at that revision: the same on every member.')],
  problem: [5, z.string().describe('Why it is quarantined; empty when it is not.')],
})

const ProcessStatus = message({
  name: [1, z.string()],
  problem: [2, z.string().describe('Why its last command was refused, or its plan failed.')],
})

const HostStatus = message({
  name: [1, z.string()],
  realizedRevision: [2, z.int()],
  lastHeartbeat: [
    3,
    z
      .int()
      .describe(
        'Milliseconds since 1970; 0: not heard of by this leader; -1: no leader, which alone hears hosts, could be asked.',
      ),
  ],
})

const FeedChange = message({
  key: [1, z.string()],
  rowJson: [2, z.string().nullable().describe('Absent: the row is gone.')],
})

export const StatusRequest = message({})
export const StatusResponse = message({
  member: [1, z.string().describe('The member that answers.')],
  leader: [2, z.string().describe('Empty while unknown.')],
  term: [3, z.int()],
  revision: [4, z.int().describe('The last committed index.')],
  history: [5, z.string()],
  members: [6, z.array(Member.schema)],
  projections: [7, z.array(ProjectionStatus.schema)],
  hosts: [8, z.array(HostStatus.schema)],
  resumedRevision: [
    9,
    z.int().describe('Where this member went on from when it started: what is before was not replayed.'),
  ],
  processes: [
    10,
    z.array(ProcessStatus.schema).describe('Those that have a problem: the leader alone knows of them.'),
  ],
})
export const MemberListRequest = message({})
const MemberListResponse = message({ members: [1, z.array(Member.schema)] })
export const LogRequest = message({
  from: [1, z.int().min(0).describe('The first revision.')],
  limit: [2, z.int().min(0).describe('How many entries at most; 0: all there are.')],
  type: [3, z.string().max(127).describe('domain.Command or domain.Event; empty: all.')],
  follow: [4, z.boolean().describe('Go on with what is yet to come.')],
})
const LogResponse = message({
  entries: [1, z.array(LogEntry.schema)],
  next: [2, z.int().describe('Where to go on from.')],
})
export const CommittedRequest = message({})
const CommittedResponse = message({
  revision: [1, z.int().describe('Every entry that was committed before the call is at or before it.')],
})
export const WhyRequest = message({
  kind: [1, kind],
  name: [2, z.string().min(1).max(255)],
  project: [3, z.string().max(63)],
})
const WhyResponse = message({ entries: [1, z.array(LogEntry.schema).describe('Oldest first.')] })
export const DiffRequest = message({
  from: [1, moment.min(1)],
  to: [2, moment],
})
const DiffResponse = message({
  from: [1, z.int()],
  to: [2, z.int()],
  changes: [3, z.array(RowChange.schema)],
  truncated: [4, z.boolean().describe('There is more than fits into one answer.')],
})
export const FollowFeedRequest = message({
  projection: [1, z.string().min(1).max(63)],
  slice: [2, z.string().max(255).describe("A part of it, such as a host's; empty: all of it.")],
  fromRevision: [3, z.int().min(0).describe('The last revision seen; 0 asks for a snapshot.')],
  history: [4, z.string().max(64).describe('The history it was seen in.')],
})
export const FollowFeedResponse = message({
  history: [1, z.string()],
  revision: [2, z.int().describe('Everything up to here has been said.')],
  snapshot: [3, z.boolean().describe('What was known before and is not in it is gone.')],
  changes: [4, z.array(FeedChange.schema)],
  partial: [5, z.boolean().describe('The batch goes on in the next message.')],
})
export const HeartbeatRequest = message({
  realizer: [1, z.string().min(1).max(255)],
  realizedRevision: [2, z.int().min(0)],
  history: [3, z.string().max(64)],
  incarnations: [4, z.array(z.string().max(64)).max(10_000)],
})
const HeartbeatResponse = message({})
export const BackupRequest = message({})
const BackupResponse = message({
  data: [1, bytes().describe('The next part of the file.')],
  revision: [2, z.int().describe('The last entry that has been read for it.')],
  of: [3, z.int().describe('The last entry that will be in it.')],
})

/** What a method of the cluster's own service does. */
export type ClusterMethodName =
  | 'Status'
  | 'MemberList'
  | 'Log'
  | 'Committed'
  | 'Why'
  | 'Diff'
  | 'FollowFeed'
  | 'Heartbeat'
  | 'Backup'

export interface ClusterMethod extends Method {
  readonly role: 'cluster'
  readonly name: ClusterMethodName
}

const unary = { role: 'cluster', stream: false } as const
const streaming = { role: 'cluster', stream: true } as const

export const clusterMethods: readonly ClusterMethod[] = [
  {
    ...unary,
    name: 'Status',
    doc: 'Members, leader, revision, the lag of each projection, hosts.',
    request: StatusRequest,
    response: StatusResponse,
  },
  {
    ...unary,
    name: 'MemberList',
    doc: 'The voters of the log.',
    request: MemberListRequest,
    response: MemberListResponse,
  },
  {
    ...streaming,
    name: 'Log',
    doc: 'What happened, in order.',
    request: LogRequest,
    response: LogResponse,
  },
  {
    ...unary,
    name: 'Committed',
    doc: 'Up to where the log is committed, as the leader has confirmed it.',
    request: CommittedRequest,
    response: CommittedResponse,
  },
  {
    ...unary,
    name: 'Why',
    doc: 'The entries that made a resource what it is.',
    request: WhyRequest,
    response: WhyResponse,
  },
  {
    ...unary,
    name: 'Diff',
    doc: 'What changed between two moments.',
    request: DiffRequest,
    response: DiffResponse,
  },
  {
    ...streaming,
    name: 'FollowFeed',
    doc: 'A projection: a snapshot when there is nothing to resume from, then its changes in order.',
    request: FollowFeedRequest,
    response: FollowFeedResponse,
  },
  {
    ...unary,
    name: 'Heartbeat',
    doc: 'A realizer is alive, and how far it is. It stays out of the log.',
    request: HeartbeatRequest,
    response: HeartbeatResponse,
  },
  {
    ...streaming,
    name: 'Backup',
    doc: 'A backup of everything committed before the call, as one file. The leader makes it.',
    request: BackupRequest,
    response: BackupResponse,
  },
]

/** The service of the cluster itself: what is no domain's. */
export const clusterService: Service = {
  package: 'ultracloud.cluster.v1',
  name: 'ClusterService',
  doc: 'The cluster itself: its state, its log, and the feeds that daemons follow.',
  messages: new Map([
    ['Actor', { message: Actor, doc: 'Who acts.' }],
    ['LogEntry', { message: LogEntry, doc: 'One decision.' }],
    ['RowChange', { message: RowChange, doc: 'A row at two moments.' }],
    ['Member', { message: Member, doc: 'A voter of the log.' }],
    ['ProjectionStatus', { message: ProjectionStatus, doc: 'How far a projection is.' }],
    ['HostStatus', { message: HostStatus, doc: 'How far a host is.' }],
    ['FeedChange', { message: FeedChange, doc: 'A row that changed.' }],
  ]),
  methods: clusterMethods,
}
