import { createHash } from 'node:crypto'
import protobuf from 'protobufjs'
import type { Platform, SubmitReply } from '../../domains/kernel/platform.ts'
import { Rejection } from '../../domains/kernel/rejection.ts'
import type kv from '../../domains/kv/contract.ts'
import state from '../../domains/kv/state.ts'
import { progressOf } from '../../domains/kv/txn.ts'
import type { Log } from '../../log/log.ts'
import type { Runner } from '../../projections/kernel/runner.ts'
import { KEY_HISTORY, type KeyQueries } from '../../projections/keys/queries.ts'
import type { Header, Int64, Integer } from './messages.ts'

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
  readonly runner: Runner
  readonly members: readonly EtcdMember[]
}

/** What the methods stand on: this member's log, state and history of keys. */
export class Member {
  readonly platform: Platform
  readonly log: Log
  readonly clusterId: Int64
  #members: readonly EtcdMember[]
  readonly #runner: Runner
  readonly #ids: ReadonlyMap<number, Int64>
  readonly #self: Integer

  constructor({ platform, log, runner, members }: MemberParts) {
    const { clusterId, memberId } = log.status()
    this.platform = platform
    this.log = log
    this.#members = members
    this.#runner = runner
    this.clusterId = wireId(clusterId)
    this.#ids = new Map(members.map(({ id }) => [id, wireId(`${clusterId}/${id}`)]))
    this.#self = this.idOf(memberId)
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

  header(revision: number): Header {
    const raftTerm = this.log.status().term
    return { clusterId: this.clusterId, memberId: this.#self, revision, raftTerm }
  }

  /** The leader's etcd address; undefined when none is known or it is this member. */
  get leaderAddress(): string | undefined {
    const { leader, memberId } = this.log.status()
    return leader === memberId ? undefined : this.members.find(({ id }) => id === leader)?.etcdAddress
  }

  /** Runs a command of `kv`. Throws Rejection. */
  submit(command: Extract<keyof typeof kv.commands, string>, data: object, cause = ''): Promise<SubmitReply> {
    const actor = { principal: 'process:etcd', kind: 'process' } as const
    return this.platform.submit({ type: `kv.${command}`, data, actor, commandId: '', cause })
  }

  /**
   * Reads the state, and answers once what was read is committed. Linearizable on the leader alone: elsewhere it throws NOT_LEADER;
   * a serializable read is of what this member has applied.
   */
  async read<T>(serializable: boolean, read: (view: Member['view']) => T): Promise<T> {
    const { platform } = this
    if (serializable && !(platform.leading && platform.ahead)) return read(this.view)
    if (!platform.leading) throw new Rejection('NOT_LEADER', 'this member does not lead')
    const found = read(this.view)
    try {
      await platform.confirmed()
    } catch (error) {
      if (!serializable || platform.leading) throw error
      return read(this.view)
    }
    return found
  }

  /** How far the store is, as `read`. */
  progress(serializable: boolean): Promise<ReturnType<typeof progressOf>> {
    return this.read(serializable, progressOf)
  }

  /** Resolves once the history on disk has an index of the log. Rejects with TIMEOUT. */
  projected(index: number, timeoutMilliseconds: number): Promise<void> {
    return this.#runner.whenProjected(index, timeoutMilliseconds)
  }

  /** Asks the history on disk, once it has all that is applied now. Throws Rejection. */
  async ask<Q extends keyof KeyQueries>(
    query: Q,
    ask: KeyQueries[Q]['ask'],
  ): Promise<KeyQueries[Q]['answer']> {
    await this.projected(this.platform.applied.revision, PROJECTED_TIMEOUT_MS)
    const answer = await this.#runner.call('events', { projection: KEY_HISTORY, query, ask })
    return answer as KeyQueries[Q]['answer']
  }
}

/** 64 bits made of a name: never 0. */
function wireId(name: string): Int64 {
  const hash = createHash('sha256').update(name).digest()
  return new protobuf.util.Long(hash.readInt32LE(0) | 1, hash.readInt32LE(4), true) as unknown as Int64
}
