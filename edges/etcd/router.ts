import { setTimeout as delay } from 'node:timers/promises'
import { Rejection } from '../../domains/kernel/rejection.ts'
import type { Headers } from './http2/hpack.ts'
import type { Member } from './member.ts'
import { decodeAny, encode, type Header } from './messages.ts'
import { FORWARDED, type PeerClient } from './peer_client.ts'
import { etcdError, StatusError } from './status.ts'

/** As long as etcd waits for a request: 5 s, and two elections. */
const TIMEOUT_MS = 7_000
const RETRY_MS = 25

export interface LeaderCall {
  readonly path: string
  readonly request: Uint8Array
  readonly metadata: Headers
  /** The message that answers it. */
  readonly response: string
  /** Whether it may not be done twice. */
  readonly writes: boolean
  /** Done here, when this member leads. */
  readonly local: () => Promise<Uint8Array>
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
  async lead(call: LeaderCall): Promise<Uint8Array> {
    const { metadata, local } = call
    const deadline = performance.now() + TIMEOUT_MS
    for (;;) {
      if (this.#member.platform.leading) {
        try {
          return await local()
        } catch (error) {
          if (!(error instanceof Rejection) || error.code !== 'NOT_LEADER') throw error
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

  /** Undefined when there was nobody to do it, and it can safely be tried again. */
  async #forward({ path, request, response, writes }: LeaderCall): Promise<Uint8Array | undefined> {
    const address = this.#member.leaderAddress
    if (address === undefined) return undefined
    try {
      return this.#asOurs(response, await this.#peers.call(address, path, request, TIMEOUT_MS))
    } catch (error) {
      if (!(error instanceof StatusError)) throw error
      if (error.message === etcdError('notLeader').message) return undefined
      if (error.message === etcdError('timeoutConnectionLost').message && !writes) return undefined
      throw error
    }
  }

  /** The header says which member answered: the one that was asked. */
  #asOurs(response: string, answer: Buffer): Uint8Array {
    const message = decodeAny(response, answer)
    const { revision } = message['header'] as Header
    return encode(response, { ...message, header: { ...this.#member.header(0), revision } })
  }
}
