import { createHash } from 'node:crypto'
import protobuf from 'protobufjs'
import type { Actor } from '../../domains/kernel/domain.ts'
import type { Settled } from '../../domains/kernel/in_flight.ts'
import type { Platform, SubmitReply } from '../../domains/kernel/platform.ts'
import { Rejection } from '../../domains/kernel/rejection.ts'
import type kv from '../../domains/kv/contract.ts'
import { EVERYTHING, type Interval } from '../../domains/kv/interval.ts'
import type { PutRequest } from '../../domains/kv/model.ts'
import state from '../../domains/kv/state.ts'
import { progressOf } from '../../domains/kv/txn.ts'
import type { Log } from '../../log/log.ts'
import type { ProjectedReads } from '../../projections/kernel/opening_runner.ts'
import { KEY_HISTORY, type KeyQueries } from '../../projections/keys/queries.ts'
import { Confirmations } from './confirmations.ts'
import type { HeaderStart } from './hot_messages.ts'
import { encode, type Header, type Int64, type Integer } from './messages.ts'
import { SweptWaiters } from './swept_waiters.ts'

const PROJECTED_TIMEOUT_MS = 10_000

/** A member, as etcd's clients see it. */
export interface EtcdMember {
  readonly id: number
  readonly name: string
  /** host:port of its peers' transport, and of its etcd API. */
  readonly peerAddress: string
  readonly etcdAddress: string
}

export interface MemberParts {
  readonly platform: Platform
  readonly log: Log
  readonly runner: ProjectedReads
  readonly members: readonly EtcdMember[]
}

const actor: Actor = { principal: 'process:etcd', kind: 'process' }

/** What the methods stand on: this member's log, state and history of keys. */
export class Member {
  readonly platform: Platform
  readonly log: Log
  readonly clusterId: Int64
  #members: readonly EtcdMember[]
  readonly #runner: ProjectedReads
  readonly #ids: ReadonlyMap<number, Int64>
  readonly #self: Integer
  readonly #confirmations: Confirmations
  /** Large deletions: until all their rows are gone their keys are neither read nor written. */
  readonly swept: SweptWaiters
  /** The highest index of the log that was ever applied here: rows that are made anew begin again below it. */
  #reached: number
  #headerStart: HeaderStart

  constructor({ platform, log, runner, members }: MemberParts) {
    const { clusterId, memberId } = log.status()
    this.platform = platform
    this.log = log
    this.#confirmations = new Confirmations(platform)
    this.swept = new SweptWaiters(platform)
    this.#reached = platform.applied.revision
    platform.onApplied((_, { revision }) => {
      if (revision > this.#reached) this.#reached = revision
    })
    this.#members = members
    this.#runner = runner
    this.clusterId = wireId(clusterId)
    this.#ids = new Map(members.map(({ id }) => [id, wireId(`${clusterId}/${id}`)]))
    this.#self = this.idOf(memberId)
    const start = Buffer.from(encode('Header', { clusterId: this.clusterId, memberId: this.#self }))
    this.#headerStart = { start, raftTerm: log.status().term }
    log.leadership.subscribe(({ term }) => {
      if (term > 0) this.#headerStart = { start, raftTerm: term }
    })
  }

  get members(): readonly EtcdMember[] {
    return this.#members
  }

  /** Says where this member's API is served, when a free port was taken. */
  servedAt(etcdAddress: string): void {
    const { memberId } = this.log.status()
    this.#members = this.#members.map((each) => (each.id === memberId ? { ...each, etcdAddress } : each))
  }

  /** A member's id on the wire; 0 for none. */
  idOf(member: number): Integer {
    return this.#ids.get(member) ?? 0
  }

  get view() {
    return this.platform.engine.state.view(state)
  }

  /** What every header holds but its revision. */
  get headerStart(): HeaderStart {
    return this.#headerStart
  }

  header(revision: number): Header {
    const { raftTerm } = this.headerStart
    return { clusterId: this.clusterId, memberId: this.#self, revision, raftTerm }
  }

  /** The leader's etcd address; undefined when none is known or it is this member. */
  get leaderAddress(): string | undefined {
    const { leader, memberId } = this.log.status()
    return leader === memberId ? undefined : this.members.find(({ id }) => id === leader)?.etcdAddress
  }

  /** Runs a command of `kv`, once no large deletion of the keys that it reads or writes is under way. Throws Rejection. */
  async submit(
    command: Extract<keyof typeof kv.commands, string>,
    data: object,
    keys: readonly Interval[],
    cause = '',
  ): Promise<SubmitReply> {
    while (this.swept.isSwept(keys)) await this.swept.wait(keys)
    return this.#submit(command, data, cause)
  }

  /** Takes out some rows of the large deletion that is under way. Throws Rejection. */
  async sweep(): Promise<void> {
    await this.#submit('Sweep', {}, 'a large deletion')
  }

  #submit(command: string, data: object, cause: string): Promise<SubmitReply> {
    return this.platform.submit({ type: `kv.${command}`, data, actor, commandId: '', cause })
  }

  /** As `submit`, for puts, without a promise. Throws Rejection when this member does not lead. */
  put(request: PutRequest, settled: Settled): void {
    this.platform.submitTo({ type: 'kv.Put', data: request, actor, commandId: '' }, settled)
  }

  /**
   * Reads the state, once no large deletion of the keys in question is under way, and answers once what was read is committed.
   * Linearizable on the leader alone: elsewhere it throws NOT_LEADER; a serializable read is of what this member has applied.
   */
  async read<T>(
    serializable: boolean,
    keys: readonly Interval[],
    read: (view: Member['view']) => T,
  ): Promise<T> {
    while (this.swept.isSwept(keys)) await this.swept.wait(keys)
    return this.#read(serializable, keys, read)
  }

  async #read<T>(
    serializable: boolean,
    keys: readonly Interval[],
    read: (view: Member['view']) => T,
  ): Promise<T> {
    const { platform } = this
    if (serializable && !(platform.leading && platform.ahead)) return read(this.view)
    if (!platform.leading) throw new Rejection('NOT_LEADER', 'this member does not lead')
    const found = read(this.view)
    try {
      await platform.confirmed()
    } catch (error) {
      if (!serializable || platform.leading) throw error
      return this.read(true, keys, read)
    }
    return found
  }

  /** As `read`, without a promise of its own, while no large deletion is under way. What is told must not throw. */
  readNow<T>(
    serializable: boolean,
    read: (view: Member['view']) => T,
    tell: (found: T) => void,
    fail: (error: unknown) => void,
  ): void {
    const { platform } = this
    if (serializable && !(platform.leading && platform.ahead)) {
      tell(read(this.view))
      return
    }
    if (!platform.leading) throw new Rejection('NOT_LEADER', 'this member does not lead')
    const found = read(this.view)
    this.#confirmations.join({
      confirmed: () => tell(found),
      failed: (error) => {
        if (!serializable || platform.leading) fail(error)
        else this.read(true, [EVERYTHING], read).then(tell, fail)
      },
    })
  }

  /** How far the store is, as `read`. */
  progress(serializable: boolean): Promise<ReturnType<typeof progressOf>> {
    return this.read(serializable, [], progressOf)
  }

  /** Resolves once the history on disk has an index of the log. Rejects with TIMEOUT. */
  projected(index: number, timeoutMilliseconds: number): Promise<void> {
    return this.#runner.whenProjected(index, timeoutMilliseconds)
  }

  /** Asks the history on disk, once it has all that was applied until now. Throws Rejection. */
  async ask<Q extends keyof KeyQueries>(
    query: Q,
    ask: KeyQueries[Q]['ask'],
  ): Promise<KeyQueries[Q]['answer']> {
    await this.projected(this.#reached, PROJECTED_TIMEOUT_MS)
    return this.askNow(query, ask)
  }

  /** As `ask`, of what the history has now. */
  async askNow<Q extends keyof KeyQueries>(
    query: Q,
    ask: KeyQueries[Q]['ask'],
  ): Promise<KeyQueries[Q]['answer']> {
    const answer = await this.#runner.call('events', { projection: KEY_HISTORY, query, ask })
    return answer as KeyQueries[Q]['answer']
  }
}

/** 64 bits made of a name: never 0. */
function wireId(name: string): Int64 {
  const hash = createHash('sha256').update(name).digest()
  return new protobuf.util.Long(hash.readInt32LE(0) | 1, hash.readInt32LE(4), true) as unknown as Int64
}
