import type { Actor } from '../domains/kernel/domain.ts'
import type { Registry } from '../domains/kernel/registry.ts'

/** How far a command must have come before it is answered. */
export type WaitLevel = 'committed' | 'projected' | 'realized'

export interface CommandRequest {
  /** `domain.Command`. */
  readonly type: string
  /** Parsed against the contract by the platform. */
  readonly data: unknown
  /** Same id, same answer; a fresh one is made when it is absent. */
  readonly commandId?: string | undefined
  /** Refused with REVISION_MISMATCH when the resource has changed since. */
  readonly ifRevision?: number | undefined
  /** Decide, and answer with the events, but let nothing happen. */
  readonly dryRun?: boolean | undefined
  readonly wait?: WaitLevel | undefined
  readonly actor: Actor
  readonly cause?: string | undefined
  /** How long to wait for the answer at most. */
  readonly timeoutMilliseconds?: number | undefined
}

export interface EventView {
  /** `domain.Event`. */
  readonly type: string
  readonly data: Readonly<Record<string, unknown>>
}

export interface CommandReply {
  readonly revision: number
  readonly result: Readonly<Record<string, unknown>>
  /** Dry runs alone: what would have happened. */
  readonly events?: readonly EventView[] | undefined
  /** The answer of an earlier run of the same command id. */
  readonly duplicate: boolean
  readonly history: string
}

export interface ReadRequest {
  /** `domain.resource`. */
  readonly kind: string
  readonly project?: string | undefined
  readonly name?: string | undefined
  readonly uid?: string | undefined
  /** Equality of fields (`field` → value) and labels (`label.x` → value), all of which must hold. */
  readonly filter?: Readonly<Record<string, string>> | undefined
  /** A revision, an RFC 3339 time, or how long ago (`2h`). */
  readonly at?: string | undefined
  /** Wait until this revision shows. */
  readonly minRevision?: number | undefined
  readonly consistency?: 'linearizable' | 'stale' | undefined
  readonly pageSize?: number | undefined
  readonly pageToken?: string | undefined
}

export interface ReadReply {
  readonly revision: number
  readonly history: string
  readonly rows: readonly Readonly<Record<string, unknown>>[]
  /** Empty on the last page. */
  readonly nextPageToken: string
}

export interface LogEntryView {
  readonly revision: number
  /** Milliseconds since 1970. */
  readonly time: number
  /** `domain.Command`; empty for the beginning of a history. */
  readonly command: string
  readonly actor: Actor
  readonly commandId: string
  readonly cause: string
  readonly request: Readonly<Record<string, unknown>>
  readonly events: readonly EventView[]
}

export interface LogPage {
  readonly entries: readonly LogEntryView[]
  /** Where the next page begins: it is beyond the last committed revision when there is no more. */
  readonly next: number
}

/** One row between two moments: null where it was not there. */
export interface RowChange {
  readonly kind: string
  readonly uid: string
  readonly before: Readonly<Record<string, unknown>> | null
  readonly after: Readonly<Record<string, unknown>> | null
}

export interface DiffReply {
  readonly from: number
  readonly to: number
  readonly changes: readonly RowChange[]
  /** There is more than fits into one answer. */
  readonly truncated: boolean
}

export interface MemberStatus {
  readonly id: string
  readonly address: string
  readonly leader: boolean
}

export interface ProjectionStatus {
  readonly name: string
  readonly revision: number
  /** Entries it is behind. */
  readonly lag: number
  /** Of all its rows at that revision: the same on every member. */
  readonly digest: string
  /** Why it is quarantined: the entry that it choked on, and how; empty when it is not. */
  readonly problem: string
}

/** A process of the cloud whose last command was refused, or whose plan failed. */
export interface ProcessStatus {
  readonly name: string
  readonly problem: string
}

export interface HostStatus {
  readonly name: string
  readonly realizedRevision: number
  /**
   * Milliseconds since 1970; 0 when it was never heard of in this leader's term, -1 when the leader, which alone hears hosts, could not be
   * asked.
   */
  readonly lastHeartbeat: number
}

export interface ClusterStatus {
  /** The member that answers. */
  readonly member: string
  /** Empty when unknown. */
  readonly leader: string
  readonly term: number
  /** The last committed index. */
  readonly revision: number
  readonly history: string
  readonly members: readonly MemberStatus[]
  readonly projections: readonly ProjectionStatus[]
  readonly hosts: readonly HostStatus[]
  /** Those that have a problem: the leader alone knows of them. */
  readonly processes: readonly ProcessStatus[]
  /** Where this member went on from when it started: what is before was not replayed. */
  readonly resumedRevision: number
}

export interface FeedRequest {
  readonly projection: string
  /** Which part of the projection: a host's name, or '' for all of it. */
  readonly slice: string
  /** The last revision seen; 0 asks for a snapshot. */
  readonly fromRevision: number
  /** The history it was seen in; '' with revision 0. */
  readonly history: string
}

export interface FeedChange {
  readonly key: string
  /** null: the row is gone. */
  readonly row: Readonly<Record<string, unknown>> | null
}

export interface FeedBatch {
  readonly history: string
  /** Everything up to here has been said. */
  readonly revision: number
  /** Begins a snapshot: what was known before and is not in it is gone. */
  readonly snapshot: boolean
  readonly changes: readonly FeedChange[]
  /** It is a part of a batch, which goes on in the next one: large ones come in parts, and followers get them whole. */
  readonly more?: boolean | undefined
}

export interface Beat {
  /** `host/<uid>`, `dns/<node>`, `balancer/<node>`. */
  readonly realizer: string
  /** The realizer has done everything up to this revision, or reported why not. */
  readonly realizedRevision: number
  readonly history: string
  /** The uids of the incarnations that a host has. */
  readonly incarnations: readonly string[]
}

/** A part of a backup file, in order. */
export interface BackupChunk {
  readonly data: Uint8Array
  /** The last entry that has been read for it, of so many. */
  readonly revision: number
  readonly of: number
}

/** What the edges need of the cloud behind them. Every method authorizes, and throws Rejection. */
export interface ControlPlane {
  readonly registry: Registry
  /** Who a bearer token stands for. Throws Rejection UNAUTHENTICATED. */
  authenticate(token: string | undefined): Actor
  submit(request: CommandRequest): Promise<CommandReply>
  read(actor: Actor, request: ReadRequest): Promise<ReadReply>
  /** Up to where the log was committed before the call: the leader alone can tell, and has applied it. */
  committed(actor: Actor): Promise<number>
  /** Entries from a revision on, at most `limit`; waits for none. */
  log(actor: Actor, request: { from: number; limit: number; type?: string | undefined }): Promise<LogPage>
  /** Resolves as soon as there is a committed entry at or past the revision, or the signal aborts. */
  waitForRevision(revision: number, signal: AbortSignal): Promise<void>
  /** The entries that made a resource what it is, oldest first. */
  why(actor: Actor, kind: string, name: string, project?: string): Promise<readonly LogEntryView[]>
  /** What changed between two moments, each written like `at`; `to` is now when empty. */
  diff(actor: Actor, from: string, to: string): Promise<DiffReply>
  status(actor: Actor): Promise<ClusterStatus>
  /** A snapshot when there is nothing to resume from, then changes in order, until the signal aborts. */
  feed(actor: Actor, request: FeedRequest, signal: AbortSignal): AsyncIterable<FeedBatch>
  heartbeat(actor: Actor, beat: Beat): void
  /** A backup of everything committed before the call, until the signal aborts. The leader alone can tell what that is. */
  backup(actor: Actor, signal: AbortSignal): AsyncIterable<BackupChunk>
  /** undefined: this member leads. Else the leader's client address, '' while unknown. */
  leaderAddress(): string | undefined
  /** undefined: this member can answer the read as it is asked for. Else as `leaderAddress`. */
  leaderForRead(request: ReadRequest): string | undefined
}
