import type { Actor } from '../../domains/kernel/domain.ts'
import { parseRequest } from '../../domains/kernel/parse.ts'
import type { Registry } from '../../domains/kernel/registry.ts'
import { Rejection } from '../../domains/kernel/rejection.ts'
import type {
  BackupChunk,
  Beat,
  ClusterStatus,
  CommandReply,
  CommandRequest,
  ControlPlane,
  DiffReply,
  FeedBatch,
  FeedRequest,
  HostStatus,
  LogEntryView,
  LogPage,
  ReadReply,
  ReadRequest,
} from '../control_plane.ts'
import { toyRegistry } from './toy_domain.ts'

type Row = Readonly<Record<string, unknown>>

export const TOKEN = 'toy-token'
export const HISTORY = 'history-1'

/** A cloud of one table and a list: enough to see what an edge asks and how it answers. */
export class FakeControlPlane implements ControlPlane {
  readonly registry: Registry = toyRegistry()
  readonly submitted: CommandRequest[] = []
  readonly reads: ReadRequest[] = []
  readonly beats: Beat[] = []
  readonly entries: LogEntryView[] = []
  readonly feeds: FeedRequest[] = []
  /** What a feed yields; a test sets it. */
  feedSource: (request: FeedRequest, signal: AbortSignal) => AsyncIterable<FeedBatch> = noBatches
  /** What a backup yields; a test sets it. */
  backupSource: (signal: AbortSignal) => AsyncIterable<BackupChunk> = toyBackup
  leader: string | undefined = undefined
  hosts: readonly HostStatus[] = []
  #rows: Row[] = []
  #wakers = new Set<() => void>()

  authenticate(token: string | undefined): Actor {
    if (token !== TOKEN) throw new Rejection('UNAUTHENTICATED', 'the token is not valid')
    return { principal: 'toy-user', kind: 'user' }
  }

  async submit(request: CommandRequest): Promise<CommandReply> {
    this.submitted.push(request)
    if (this.leader !== undefined) throw new Rejection('NOT_LEADER', 'this member does not lead')
    const [domain, name] = request.type.split('.') as [string, string]
    const command = this.registry.domains.get(domain)?.contract.commands[name]
    if (command === undefined) throw new Rejection('UNKNOWN_COMMAND', `there is no command ${request.type}`)
    const data = parseRequest(request.type, command.request, request.data) as Row
    const revision = this.entries.length + 1
    if (name === 'CreateBox') return this.#create(request, data, revision)
    const index = this.#rows.findIndex((row) => row['name'] === data['name'])
    if (index === -1) throw new Rejection('NOT_FOUND', `there is no box ${String(data['name'])}`)
    this.#rows[index] = { ...(this.#rows[index] as Row), ...data, revision, updatedAt: revision * 1000 }
    this.#append(request, data, [])
    return { revision, history: HISTORY, duplicate: false, result: {} }
  }

  #create(request: CommandRequest, data: Row, revision: number): CommandReply {
    if (this.#rows.some((row) => row['name'] === data['name']))
      throw new Rejection('ALREADY_EXISTS', `the name ${String(data['name'])} is taken`, {
        name: data['name'],
      })
    const uid = `uid-${revision}`
    const stamps = {
      revision,
      createdRevision: revision,
      createdAt: revision * 1000,
      updatedAt: revision * 1000,
    }
    const events = [{ type: 'toy.BoxCreated', data: { ...data, uid, state: 'open' } }]
    const reply = { revision, history: HISTORY, duplicate: false, result: { uid } }
    if (request.dryRun === true) return { ...reply, events }
    this.#rows.push({ ...data, uid, state: 'open', ...stamps })
    this.#append(request, data, events)
    return reply
  }

  #append(request: CommandRequest, data: Row, events: LogEntryView['events']): void {
    this.entries.push({
      revision: this.entries.length + 1,
      time: 1000,
      command: request.type,
      actor: request.actor,
      commandId: request.commandId ?? '',
      cause: '',
      request: data,
      events,
    })
    for (const wake of this.#wakers) wake()
  }

  async read(_: Actor, request: ReadRequest): Promise<ReadReply> {
    this.reads.push(request)
    const rows = this.#rows
      .filter(() => request.kind === 'toy.box')
      .filter((row) => request.project === undefined || row['project'] === request.project)
      .filter((row) => request.name === undefined || row['name'] === request.name)
      .filter((row) => request.uid === undefined || row['uid'] === request.uid)
    const single = request.name !== undefined || request.uid !== undefined
    if (single && rows.length === 0) throw new Rejection('NOT_FOUND', `there is no such ${request.kind}`)
    const start = Number(request.pageToken ?? 0)
    const end = start + (request.pageSize ?? 100)
    const nextPageToken = end < rows.length ? String(end) : ''
    return { revision: this.entries.length, history: HISTORY, rows: rows.slice(start, end), nextPageToken }
  }

  async committed(): Promise<number> {
    if (this.leader !== undefined) throw new Rejection('NOT_LEADER', 'this member does not lead')
    return this.entries.length
  }

  async log(_: Actor, { from, limit }: { from: number; limit: number }): Promise<LogPage> {
    const entries = this.entries.filter(({ revision }) => revision >= from).slice(0, limit)
    return { entries, next: from + entries.length }
  }

  async waitForRevision(revision: number, signal: AbortSignal): Promise<void> {
    while (this.entries.length < revision && !signal.aborted) {
      await new Promise<void>((resolve) => {
        this.#wakers.add(resolve)
        signal.addEventListener('abort', () => resolve(), { once: true })
      })
    }
  }

  async why(_: Actor, kind: string): Promise<readonly LogEntryView[]> {
    if (!this.registry.kinds.has(kind)) throw new Rejection('NOT_FOUND', `there is no kind ${kind}`)
    return this.entries
  }

  async diff(): Promise<DiffReply> {
    const [after = null] = this.#rows
    const changes = [{ kind: 'toy.box', uid: 'uid-1', before: null, after }]
    return { from: 0, to: this.entries.length, changes, truncated: false }
  }

  async status(): Promise<ClusterStatus> {
    return {
      member: 'a',
      leader: 'a',
      term: 1,
      revision: this.entries.length,
      history: HISTORY,
      members: [{ id: 'a', address: '127.0.0.1:1', leader: true }],
      projections: [{ name: 'tables', revision: this.entries.length, lag: 0, digest: '00', problem: '' }],
      hosts: this.hosts,
      processes: [],
      resumedRevision: 0,
    }
  }

  feed(_: Actor, request: FeedRequest, signal: AbortSignal): AsyncIterable<FeedBatch> {
    this.feeds.push(request)
    return this.feedSource(request, signal)
  }

  backup(_: Actor, signal: AbortSignal): AsyncIterable<BackupChunk> {
    if (this.leader !== undefined) throw new Rejection('NOT_LEADER', 'this member does not lead')
    return this.backupSource(signal)
  }

  heartbeat(_: Actor, beat: Beat): void {
    this.beats.push(beat)
  }

  leaderAddress(): string | undefined {
    return this.leader
  }

  leaderForRead({ consistency }: ReadRequest): string | undefined {
    return consistency === 'stale' ? undefined : this.leader
  }
}

async function* noBatches(): AsyncIterable<FeedBatch> {}

async function* toyBackup(): AsyncIterable<BackupChunk> {
  yield { data: Buffer.from('toy '), revision: 0, of: 1 }
  yield { data: Buffer.from('backup'), revision: 1, of: 1 }
}
