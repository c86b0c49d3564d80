import { Rejection } from '../../domains/kernel/rejection.ts'
import type { ApiClient } from '../../edges/grpc/client.ts'
import { type Acknowledgement, type Operation, operation } from '../failover/operations.ts'

const ATTEMPT_MS = 30_000

/** An answer that leaves open whether the command happened. */
const unanswered: ReadonlySet<string> = new Set(['OUTCOME_UNKNOWN', 'UNAVAILABLE', 'TIMEOUT', 'NOT_LEADER'])

/** Clients that write to one member until it is gone, and remember what they were told. */
export class Writers {
  readonly acknowledged: Acknowledgement[] = []
  /** Sent without an answer: they may have happened or not. */
  readonly open: Operation[] = []
  /** Answers to commands whose first attempt had none. */
  readonly retried: Acknowledgement[] = []
  readonly #clients: number
  #next = 0

  constructor(clients: number) {
    this.#clients = clients
  }

  /** Resolves once no client gets an answer any more. Throws the Rejection of a command that was refused. */
  async writeUntilGone(client: ApiClient): Promise<void> {
    await Promise.all(
      Array.from({ length: this.#clients }, async (_, writer) => {
        while (await this.#write(client, operation(writer, this.#next++)));
      }),
    )
  }

  async #write(client: ApiClient, submitted: Operation): Promise<boolean> {
    try {
      this.acknowledged.push(await submit(client, submitted, 1))
      return true
    } catch (error) {
      if (!(error instanceof Rejection) || !unanswered.has(error.code)) throw error
      this.open.push(submitted)
      return false
    }
  }

  /** Sends what is open again, with the same command ids: afterwards all of it has happened, once. */
  async finishOpen(client: ApiClient): Promise<void> {
    const again = await Promise.all(this.open.splice(0).map((submitted) => submit(client, submitted, 2)))
    this.retried.push(...again)
    this.acknowledged.push(...again)
  }
}

async function submit(client: ApiClient, submitted: Operation, attempts: number): Promise<Acknowledgement> {
  const { type, data, commandId } = submitted
  const attemptAt = performance.now()
  const reply = await client.command({ type, data, commandId, timeoutMilliseconds: ATTEMPT_MS })
  const { revision, result, duplicate } = reply
  return { operation: submitted, revision, result, duplicate, attempts, attemptAt, at: performance.now() }
}
