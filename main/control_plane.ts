import iam from '../domains/iam/contract.ts'
import { authenticate, withTokenValue } from '../domains/iam/token.ts'
import type { Actor } from '../domains/kernel/domain.ts'
import type { Platform } from '../domains/kernel/platform.ts'
import { decodeRecord } from '../domains/kernel/record.ts'
import type { Kind, Registry } from '../domains/kernel/registry.ts'
import { Rejection, reject } from '../domains/kernel/rejection.ts'
import { newCommandId } from '../domains/kernel/uuid.ts'
import vm from '../domains/vm/contract.ts'
import type {
  BackupChunk,
  Beat,
  ClusterStatus,
  CommandReply,
  CommandRequest,
  ControlPlane,
  DiffReply,
  FeedBatch,
  FeedChange,
  FeedRequest,
  LogEntryView,
  LogPage,
  ReadReply,
  ReadRequest,
} from '../edges/control_plane.ts'
import type { Log } from '../log/log.ts'
import { pinnedMoment } from '../projections/kernel/page_token.ts'
import type { EntrySummary } from '../projections/kernel/past.ts'
import type { Runner } from '../projections/kernel/runner.ts'
import { createBackup } from './backup/create.ts'
import { concernedBy, whenRealized } from './realized.ts'
import { Sight } from './sight.ts'
import { placeOf, readPermission, sinceRevision, type Visible, verdict, visible } from './visibility.ts'

const TIMEOUT_MS = 30_000
const ENTRIES_MAX = 1000
/** What a page of the log, or the entries behind a resource, may hold at once: readers are many, and some are slow. */
const PAGE_BYTES = 128 << 10
const WHY_CHARACTERS_MAX = 8 << 20
/** `host/<uid>`, `dns/<node>`, `balancer/<node>`. */
const REALIZER = /^(host|dns|balancer)\/([a-z0-9][a-z0-9-]{0,62})$/
/** Each one reads all of the log. */
const BACKUPS_AT_ONCE = 2

/** What the edges stand on: commands go to the platform, reads to the projections, each after its authorization. */
export class LocalControlPlane implements ControlPlane {
  readonly registry: Registry
  readonly #log: Log
  readonly #platform: Platform
  readonly #runner: Runner
  readonly #masterKey: Uint8Array
  #backups = 0

  constructor(log: Log, platform: Platform, runner: Runner, masterKey: Uint8Array) {
    this.registry = platform.engine.registry
    this.#log = log
    this.#platform = platform
    this.#runner = runner
    this.#masterKey = masterKey
  }

  authenticate(token: string | undefined): Actor {
    if (token === undefined || token === '') {
      return reject('UNAUTHENTICATED', 'no token was given: send "authorization: Bearer <token>"')
    }
    const verdict = authenticate(this.#platform.engine.state, this.#masterKey, token, Date.now())
    return 'actor' in verdict ? verdict.actor : reject('UNAUTHENTICATED', verdict.message)
  }

  async submit(request: CommandRequest): Promise<CommandReply> {
    const { type, data, actor, ifRevision, dryRun, cause, wait = 'committed' } = request
    const started = performance.now()
    const timeout = request.timeoutMilliseconds ?? TIMEOUT_MS
    const left = (): number => Math.max(1, timeout - (performance.now() - started))
    const commandId = request.commandId ?? newCommandId()
    const { record, ...reply } = await this.#platform.submit({
      type,
      data,
      actor,
      commandId,
      ifRevision,
      dryRun,
      cause,
    })
    if (dryRun === true) return { ...reply, events: record?.events ?? [] }
    if (wait !== 'committed') await this.#runner.whenProjected(reply.revision, left())
    if (wait === 'realized') {
      const decision = record ?? (await this.#decision(reply.revision))
      await whenRealized(this.#platform, concernedBy(decision, this.#platform), reply.revision, left())
    }
    return { ...reply, result: withTokenValue(this.#masterKey, type, reply.result) }
  }

  async #decision(revision: number) {
    const [entry] = await this.#log.read(revision, revision, PAGE_BYTES)
    const record = entry === undefined ? undefined : decodeRecord(entry.payload)
    return record?.kind === 'decision' ? record : reject('INTERNAL', `revision ${revision} is no decision`)
  }

  async read(actor: Actor, request: ReadRequest): Promise<ReadReply> {
    const kind = this.#kind(request.kind)
    if (request.name !== undefined && request.project === undefined && kind.resource.scope === 'project')
      reject('INVALID_ARGUMENT', `${kind.id} has its name in a project: name that, too`, { field: 'project' })
    await this.#fresh(request)
    const allowed = visible(this.#platform.engine, actor, kind, request.project)
    const { minRevision: _, consistency: __, ...query } = request
    const answer = await this.#runner.call('read', { ...query, visible: allowed, now: Date.now() })
    const name = request.name ?? request.uid
    if (name !== undefined && answer.rows.length === 0) {
      const where = request.project === undefined ? '' : ` in project ${request.project}`
      const when = request.at === undefined ? '' : ` as of ${request.at} (revision ${answer.revision})`
      reject('NOT_FOUND', `${kind.id} ${name} does not exist${where}${when}`, { kind: kind.id, name })
    }
    if (answer.rows.length === 0) await this.#requireProject(request, allowed, answer.revision)
    return answer
  }

  /** There may be nothing in a project, also before there was one; but of one that exists neither now nor then nothing is said. */
  async #requireProject({ project, at }: ReadRequest, allowed: Visible, revision: number): Promise<void> {
    if (project === undefined) return
    for (const moment of at === undefined ? [undefined] : [undefined, String(revision)]) {
      const { rows } = await this.#runner.call('read', {
        kind: 'iam.project',
        name: project,
        visible: allowed === undefined ? undefined : { ...allowed, column: 'name' },
        at: moment,
        now: Date.now(),
      })
      if (rows.length > 0) return
    }
    reject('NOT_FOUND', `project ${project} does not exist`, { project })
  }

  /** Waits until reads show what they must: everything committed before the call, or a revision the client has seen. */
  async #fresh(request: ReadRequest): Promise<void> {
    const { minRevision } = request
    if (minRevision !== undefined) await this.#runner.whenProjected(minRevision, TIMEOUT_MS)
    if (!needsLeader(request, this.#runner)) return
    await this.#runner.whenProjected(await this.#platform.barrier(), TIMEOUT_MS)
  }

  async committed(actor: Actor): Promise<number> {
    this.#platform.engine.authorize(actor, 'cluster.log.get', 'system', '')
    return await this.#platform.barrier()
  }

  async log(
    actor: Actor,
    { from, limit, type }: { from: number; limit: number; type?: string | undefined },
  ): Promise<LogPage> {
    this.#platform.engine.authorize(actor, 'cluster.log.get', 'system', '')
    const count = Math.min(Math.max(limit, 1), ENTRIES_MAX)
    const views: LogEntryView[] = []
    let next = from
    let bytes = 0
    const end = this.#platform.applied.revision
    while (next <= end && views.length < count && bytes < PAGE_BYTES) {
      const entries = await this.#log.read(next, end, PAGE_BYTES)
      for (const entry of entries) {
        if (views.length >= count || bytes >= PAGE_BYTES) break
        next = entry.index + 1
        const view = entry.kind === 'noop' ? undefined : this.#view(entry.index, entry.payload)
        if (view === undefined || !matches(view, type)) continue
        views.push(view)
        bytes += entry.payload.length
      }
    }
    return { entries: views, next }
  }

  #view(revision: number, payload: Uint8Array): LogEntryView {
    const record = decodeRecord(payload)
    if (record.kind === 'history') {
      const { time, history, parent, parentRevision } = record
      const actor = { principal: 'process:kernel', kind: 'process' } as const
      return {
        revision,
        time,
        command: '',
        actor,
        commandId: '',
        cause: '',
        request: { history, parent, parentRevision },
        events: [],
      }
    }
    const { time, command, commandId, cause, request, events } = record
    return {
      revision,
      time,
      command,
      actor: { principal: record.actor, kind: record.actorKind },
      commandId,
      cause,
      request,
      events,
    }
  }

  async waitForRevision(revision: number, signal: AbortSignal): Promise<void> {
    while (!signal.aborted && this.#platform.applied.revision < revision) {
      await this.#platform.whenApplied(revision, 1000).catch(() => undefined)
    }
  }

  async why(
    actor: Actor,
    kindName: string,
    name: string,
    project?: string,
  ): Promise<readonly LogEntryView[]> {
    const kind = this.#kind(kindName)
    if (kind.resource.scope === 'project' && project === undefined) {
      reject('INVALID_ARGUMENT', `${kind.id} lives in projects: name one`, { field: 'project' })
    }
    const { engine } = this.#platform
    const place = placeOf(kind, name, project)
    engine.authorize(actor, readPermission(kind), place.scope, place.name)
    await this.#runner.whenProjected(await this.#platform.barrier(), TIMEOUT_MS)
    const since = sinceRevision(engine, actor, kind, place)
    const found = await this.#runner.call('why', { kind: kind.id, project: project ?? '', name })
    if ((found[0]?.revision ?? 0) < since) {
      const where = project === undefined ? '' : ` in project ${project}`
      reject('NOT_FOUND', `there never was a ${kind.id} ${name}${where}`, { kind: kind.id, name })
    }
    const sight = new Sight(engine, actor)
    const entries: LogEntryView[] = []
    let characters = 0
    for (const summary of found) {
      const entry = sight.of(await this.#entry(summary))
      characters += JSON.stringify(entry).length
      if (characters > WHY_CHARACTERS_MAX)
        reject('TOO_LARGE', `what made ${kind.id} ${name} is more than one answer holds: read the log`, {
          name,
        })
      entries.push(entry)
    }
    return entries
  }

  async #entry({ revision }: EntrySummary): Promise<LogEntryView> {
    const [entry] = await this.#log.read(revision, revision, 1)
    return entry === undefined
      ? reject('INTERNAL', `revision ${revision} is not in the log`)
      : this.#view(revision, entry.payload)
  }

  async diff(actor: Actor, from: string, to: string): Promise<DiffReply> {
    const kinds = [...this.registry.kinds.values()].filter((kind) => {
      try {
        this.#platform.engine.authorize(actor, readPermission(kind), 'system', '')
        return true
      } catch {
        return false
      }
    })
    if (kinds.length === 0)
      reject(
        'PERMISSION_DENIED',
        'a difference of the cloud shows what is in every project: it takes a permission for the system',
        {},
      )
    await this.#runner.whenProjected(await this.#platform.barrier(), TIMEOUT_MS)
    const answer = await this.#runner.call('diff', {
      kinds: kinds.map(({ id }) => id),
      from,
      to,
      now: Date.now(),
    })
    return { from: answer.from, to: answer.to, changes: answer.differences, truncated: answer.truncated }
  }

  async status(actor: Actor): Promise<ClusterStatus> {
    this.#platform.engine.authorize(actor, 'cluster.status.get', 'system', '')
    const { memberId, leader, term, commitIndex, members } = this.#log.status()
    const nameOf = (id: number): string => members.find((member) => member.id === id)?.name ?? ''
    const { checkpoint, digests } = await this.#runner.call('digests', {})
    const { revision } = checkpoint
    const lag = Math.max(0, commitIndex - revision)
    const hosts = [...this.#platform.engine.state.resource(vm, 'host').values()].map(({ uid, name }) => {
      if (!this.#platform.leading) return { name, realizedRevision: 0, lastHeartbeat: -1 }
      const beat = this.#platform.heartbeats.of(`host/${uid}`)
      return { name, realizedRevision: beat?.realizedRevision ?? 0, lastHeartbeat: beat?.at ?? 0 }
    })
    return {
      member: nameOf(memberId),
      leader: nameOf(leader),
      term,
      revision: commitIndex,
      history: this.#platform.history,
      members: members.map(({ id, name, clientAddress }) => ({
        id: name,
        address: clientAddress,
        leader: id === leader,
      })),
      projections: digests.map(({ projection: name, digest }) => {
        return { name, revision, lag, digest, problem: this.#runner.quarantined[name] ?? '' }
      }),
      hosts,
      processes: [...this.#platform.processProblems].map(([name, problem]) => ({ name, problem })),
      resumedRevision: Math.min(this.#platform.resumedRevision, this.#runner.resumedRevision),
    }
  }

  async *feed(actor: Actor, request: FeedRequest, signal: AbortSignal): AsyncGenerator<FeedBatch> {
    const permission = followPermissions[request.projection]
    if (permission === undefined) {
      return reject(
        'NOT_FOUND',
        `there is no feed ${request.projection}: follow ${Object.keys(followPermissions).join(', ')}`,
        {
          projection: request.projection,
        },
      )
    }
    const host = request.projection === 'hosts' ? request.slice : undefined
    this.#authorizeRealizer(actor, permission, host)
    let snapshot = false
    for await (const { reset, more, changes, history, revision } of this.#runner.feed(request, signal)) {
      this.#authorizeRealizer(actor, permission, host)
      snapshot ||= reset
      yield { history, revision, snapshot, more, changes: changes.map(feedChange) }
      if (!more) snapshot = false
    }
  }

  async *backup(actor: Actor, signal: AbortSignal): AsyncGenerator<BackupChunk> {
    this.#platform.engine.authorize(actor, 'cluster.backups.create', 'system', '')
    const leader = this.leaderAddress()
    if (leader !== undefined)
      reject(
        'NOT_LEADER',
        leader === ''
          ? 'no leader is known: only a leader can tell what is committed'
          : `only the leader can tell what is committed: ask ${leader}`,
        { leader },
      )
    if (this.#backups >= BACKUPS_AT_ONCE) reject('OVERLOADED', `${this.#backups} backups are under way`)
    this.#backups += 1
    try {
      yield* createBackup({ log: this.#log, platform: this.#platform, runner: this.#runner }, signal)
    } finally {
      this.#backups -= 1
    }
  }

  heartbeat(actor: Actor, { realizer, realizedRevision, history }: Beat): void {
    const [, kind = '', node = ''] = REALIZER.exec(realizer) ?? []
    const permission = heartbeatPermissions[kind]
    if (permission === undefined) {
      return reject(
        'INVALID_ARGUMENT',
        `${realizer} is no realizer: it must be host/<uid>, dns/<node> or balancer/<node>`,
        { field: 'realizer' },
      )
    }
    this.#authorizeRealizer(actor, permission, kind === 'host' ? node : undefined)
    if (kind !== 'host') this.#requireOwnName(actor, `${kind}-${node}`, realizer)
    if (!this.#platform.heartbeats.record({ realizer, realizedRevision, history }))
      throw new Rejection('OVERLOADED', 'too many realizers send heartbeats')
  }

  /**
   * A host speaks for itself alone: its own account's word counts, and an operator's who may do everything with hosts. '' is all
   * hosts; undefined: no host is concerned.
   */
  #authorizeRealizer(actor: Actor, permission: string, host: string | undefined): void {
    const { engine } = this.#platform
    engine.authorize(actor, permission, 'system', '')
    if (host === undefined) return
    const row = engine.state.resource(vm, 'host').get(host)
    if (row !== undefined && row.serviceAccount === actor.principal) return
    engine.authorize(actor, 'vm.hosts.set-policy', 'system', '')
    if (row === undefined && host !== '') reject('NOT_FOUND', `host ${host} is not registered`, { host })
  }

  /** A name server or a balancer speaks for the node that its service account is named after; operators for any. */
  #requireOwnName(actor: Actor, account: string, realizer: string): void {
    const { engine } = this.#platform
    if (engine.state.resource(iam, 'service_account').get(actor.principal)?.name === account) return
    if (verdict(engine, actor, 'vm.hosts.set-policy', { scope: 'system', name: '' }).allowed) return
    reject('PERMISSION_DENIED', `heartbeats of ${realizer} come from the service account ${account} alone`, {
      realizer,
    })
  }

  leaderAddress(): string | undefined {
    if (this.#platform.leading) return undefined
    const { leader, members, memberId } = this.#log.status()
    return leader === memberId ? '' : (members.find(({ id }) => id === leader)?.clientAddress ?? '')
  }

  leaderForRead(request: ReadRequest): string | undefined {
    return needsLeader(request, this.#runner) ? this.leaderAddress() : undefined
  }

  #kind(name: string): Kind {
    const kind = this.registry.kinds.get(name)
    return (
      kind ??
      reject(
        'NOT_FOUND',
        `there is no kind ${name}; there are ${[...this.registry.kinds.keys()].join(', ')}`,
        { kind: name },
      )
    )
  }
}

/** Whether a read must know what is committed: the present, or a revision that is not shown here yet. */
function needsLeader(request: ReadRequest, shown: { readonly revision: number }): boolean {
  if (request.consistency === 'stale' || request.minRevision !== undefined) return false
  const pinned = pinnedMoment(request)
  return pinned === undefined || ('revision' in pinned && pinned.revision > shown.revision)
}

function feedChange({ key, data }: { readonly key: string; readonly data: string | null }): FeedChange {
  return { key, row: data === null ? null : (JSON.parse(data) as Record<string, unknown>) }
}

const followPermissions: Readonly<Record<string, string>> = {
  zones: 'dns.zones.feed',
  balancers: 'lb.load-balancers.feed',
  hosts: 'vm.hosts.feed',
}

const heartbeatPermissions: Readonly<Record<string, string>> = {
  dns: 'dns.zones.heartbeat',
  balancer: 'lb.load-balancers.heartbeat',
  host: 'vm.hosts.heartbeat',
}

function matches(view: LogEntryView, type: string | undefined): boolean {
  return (
    type === undefined ||
    type === '' ||
    view.command === type ||
    view.events.some((event) => event.type === type)
  )
}
