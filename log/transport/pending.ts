import { type ServerUnaryCall, type sendUnaryData, status } from '@grpc/grpc-js'
import type { MemberId } from '../raft/types.ts'
import { pendingCallsMax } from './limits.ts'

interface Pending<Response> {
  readonly key: number
  readonly answer: sendUnaryData<Response>
}

/** Unary calls of peers that wait for the core's answer, which comes by message. Bounded: the oldest give way. */
export class PendingCalls<Response> {
  readonly #byPeer = new Map<MemberId, Set<Pending<Response>>>()

  /** `key` tells which answers fit. */
  add<Request>(
    from: MemberId,
    key: number,
    call: ServerUnaryCall<Request, Response>,
    answer: sendUnaryData<Response>,
  ): void {
    const pending = this.#byPeer.get(from) ?? new Set<Pending<Response>>()
    this.#byPeer.set(from, pending)
    const added = { key, answer }
    pending.add(added)
    call.on('cancelled', () => pending.delete(added))
    for (const oldest of pending) {
      if (pending.size <= pendingCallsMax) break
      pending.delete(oldest)
      oldest.answer({ code: status.ABORTED, details: 'newer calls of this member are waiting' })
    }
  }

  /** Answers the peer's oldest call with that key; when there is none left, it has given up waiting. */
  answer(to: MemberId, key: number, response: Response): void {
    const pending = this.#byPeer.get(to)
    for (const call of pending ?? []) {
      if (call.key !== key) continue
      pending?.delete(call)
      call.answer(null, response)
      return
    }
  }

  failAll(error: { readonly code: status; readonly details: string }): void {
    for (const pending of this.#byPeer.values()) {
      for (const { answer } of pending) answer(error)
      pending.clear()
    }
  }
}
