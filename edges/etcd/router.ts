import { setTimeout as delay } from 'node:timers/promises'
import { Rejection } from '../../domains/kernel/rejection.ts'
import { fieldBytes, WireReader, WireWriter } from '../../log/wire.ts'
import type { Headers } from './http2/hpack.ts'
import type { Member } from './member.ts'
import { encode } from './messages.ts'
import { FORWARDED, NotSentError, type PeerClient } from './peer_client.ts'
import { etcdError, StatusError } from './status.ts'

/** As long as etcd waits for a request: 5 s, and two elections. */
const TIMEOUT_MS = 7_000
const RETRY_MS = 10

/** Said before anything was done. */
const notDone: ReadonlySet<string> = new Set([etcdError('notLeader').message, etcdError('stopped').message])

export interface LeaderCall<T> {
  readonly path: string
  readonly request: Uint8Array
  readonly metadata: Headers
  /** Whether it may not be done twice. */
  readonly writes: boolean
  /** Done here, when this member leads. */
  readonly local: () => Promise<T>
}

/** Has a call done by the leader, here or elsewhere, and waits for one while there is none. */
export class Router {
  readonly #member: Member
  readonly #peers: PeerClient

  constructor(member: Member, peers: PeerClient) {
    this.#member = member
    this.#peers = peers
  }

  /** Throws StatusError or Rejection. */
  async lead<T>(call: LeaderCall<T>): Promise<T | Uint8Array> {
    const { metadata, local } = call
    const deadline = performance.now() + TIMEOUT_MS
    for (;;) {
      if (this.#member.platform.leading) {
        try {
          return await local()
        } catch (error) {
          if (!this.isForAnother(error)) throw error
        }
      } else if (metadata[FORWARDED] === undefined) {
        const answered = await this.#forward(call)
        if (answered !== undefined) return answered
      }
      if (metadata[FORWARDED] !== undefined) throw etcdError('notLeader')
      if (metadata['hasleader'] === 'true' && this.#member.log.status().leader === 0)
        throw etcdError('noLeader')
      if (performance.now() > deadline) throw etcdError('timeout')
      await delay(RETRY_MS)
    }
  }

  /** Nothing was done, since this member does not lead any more, or is handing over to one that soon will. */
  isForAnother(error: unknown): boolean {
    if (!(error instanceof Rejection)) return false
    if (error.code === 'NOT_LEADER') return true
    const { leader, memberId, transferee } = this.#member.log.status()
    return error.code === 'OVERLOADED' && (transferee !== 0 || leader !== memberId)
  }

  /** Undefined when there was nobody to do it, and it can safely be tried again. */
  async #forward({ path, request, writes }: LeaderCall<unknown>): Promise<Uint8Array | undefined> {
    const address = this.#member.leaderAddress
    if (address === undefined) return undefined
    try {
      return this.#asOurs(await this.#peers.call(address, path, request, TIMEOUT_MS))
    } catch (error) {
      if (error instanceof NotSentError) return undefined
      if (!(error instanceof StatusError)) throw error
      if (notDone.has(error.message)) return undefined
      if (error.message === etcdError('timeoutConnectionLost').message && !writes) return undefined
      throw error
    }
  }

  /** The header says which member answered: the one that was asked. Every answer begins with it; the rest stays as it is. */
  #asOurs(answer: Buffer): Uint8Array {
    const reader = new WireReader(answer, 0, answer.length)
    if (reader.next() !== 1) return answer
    const header = new WireReader(answer, reader.bytes(), reader.at)
    let revision = 0
    for (let field = header.next(); field !== 0; field = header.next()) {
      if (field === 3) revision = header.number()
      else header.skip()
    }
    const own = encode('Header', this.#member.header(revision))
    const writer = new WireWriter(Buffer.allocUnsafe(fieldBytes(own.length) + answer.length - reader.at))
    writer.bytes(1, own)
    writer.raw(answer.subarray(reader.at))
    return writer.buffer
  }
}
