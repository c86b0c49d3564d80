import { Rejection } from '../../domains/kernel/rejection.ts'
import type { CommandReply } from '../../edges/control_plane.ts'
import type { ApiClient } from '../../edges/grpc/client.ts'

export interface Member {
  /** `host:port`. */
  readonly address: string
  readonly client: ApiClient
}

/** It did not answer, or can do nothing for now: another one may. */
const passing: ReadonlySet<string> = new Set(['UNAVAILABLE', 'OUTCOME_UNKNOWN', 'NOT_LEADER', 'TIMEOUT'])

/** The members that a daemon may ask: it stays with one until that does not answer, and goes on to the next. */
export class Members {
  readonly #members: readonly [Member, ...Member[]]
  #current = 0

  constructor(members: readonly [Member, ...Member[]]) {
    this.#members = members
  }

  get address(): string {
    return this.#member.address
  }

  command(request: Parameters<ApiClient['command']>[0]): Promise<CommandReply> {
    return this.#asking((client) => client.command(request))
  }

  heartbeat(...beat: Parameters<ApiClient['heartbeat']>): Promise<void> {
    return this.#asking((client) => client.heartbeat(...beat))
  }

  async *feedMessages(
    ...request: Parameters<ApiClient['feedMessages']>
  ): ReturnType<ApiClient['feedMessages']> {
    const member = this.#member
    try {
      yield* member.client.feedMessages(...request)
    } catch (error) {
      throw this.#noted(member, error)
    }
  }

  close(): void {
    for (const { client } of this.#members) client.close()
  }

  get #member(): Member {
    return this.#members[this.#current] ?? this.#members[0]
  }

  async #asking<T>(ask: (client: ApiClient) => Promise<T>): Promise<T> {
    const member = this.#member
    try {
      return await ask(member.client)
    } catch (error) {
      throw this.#noted(member, error)
    }
  }

  /** Calls fail together: the first of them has gone on to the next member already. */
  #noted(member: Member, error: unknown): unknown {
    if (member === this.#member && error instanceof Rejection && passing.has(error.code))
      this.#current = (this.#current + 1) % this.#members.length
    return error
  }
}
