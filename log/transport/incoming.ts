import {
  Server,
  type ServerDuplexStream,
  type ServerUnaryCall,
  type sendUnaryData,
  status,
} from '@grpc/grpc-js'
import { LogError } from '../log.ts'
import type {
  AppendRequest,
  AppendResponse,
  MemberId,
  Message,
  VoteRequest,
  VoteResponse,
} from '../raft/types.ts'
import { type GrpcListener, listenGrpc, type SecureListening } from '../tls/grpc_listener.ts'
import { checkCall, type PeerIdentity, type Refusal } from './authentication.ts'
import { channelOptions, pendingVotesMax } from './limits.ts'
import { peerService } from './messages.ts'
import { chainfireHandlers, chainfireService } from './public.ts'
import { SendQueue } from './send-queue.ts'
import type { TransportPorts } from './transport.ts'

/** How long callers may take to hang up. */
const shutdownMillisecondsMax = 250

type AppendCall = ServerDuplexStream<AppendRequest, AppendResponse>

interface AppendStream {
  readonly call: AppendCall
  readonly queue: SendQueue<AppendResponse>
}

interface PendingVote {
  readonly preVote: boolean
  readonly answer: sendUnaryData<VoteResponse>
}

/**
 * Serves the peers. The core answers when it can, for instance after a sync, and by message; this is where an
 * answer finds the call that it belongs to.
 */
export class Incoming {
  readonly #identity: PeerIdentity
  readonly #ports: TransportPorts
  readonly #server = new Server(channelOptions)
  readonly #streams = new Map<MemberId, AppendStream>()
  readonly #votes = new Map<MemberId, Set<PendingVote>>()
  #listener: GrpcListener | undefined
  #closed = false

  constructor(identity: PeerIdentity, ports: TransportPorts) {
    this.#identity = identity
    this.#ports = ports
    this.#server.addService(peerService, {
      vote: (call: ServerUnaryCall<VoteRequest, VoteResponse>, answer: sendUnaryData<VoteResponse>) =>
        this.#vote(call, answer),
      appendEntries: (call: AppendCall) => this.#append(call),
    })
    this.#server.addService(chainfireService, chainfireHandlers(ports.status))
  }

  /** The port that was taken. Throws LogError when it cannot listen. */
  async listen(host: string, port: number, secure: SecureListening | undefined): Promise<number> {
    try {
      this.#listener = await listenGrpc(this.#server, host, port, secure)
      return this.#listener.port
    } catch (error) {
      throw new LogError('CLOSED', `cannot listen on ${host}:${port}: ${(error as Error).message}`)
    }
  }

  respond(message: AppendResponse): void {
    this.#streams.get(message.to)?.queue.send(message)
  }

  /** Answers the peer's oldest vote call of that kind; when there is none left, it has given up waiting. */
  answerVote(message: VoteResponse): void {
    const pending = this.#votes.get(message.to)
    for (const vote of pending ?? []) {
      if (vote.preVote !== message.preVote) continue
      pending?.delete(vote)
      vote.answer(null, message)
      return
    }
  }

  /** Ends every call first: a session that is just destroyed is noticed by the peer's keepalive, seconds later. */
  async close(): Promise<void> {
    if (this.#closed) return
    this.#closed = true
    const stopping = { code: status.UNAVAILABLE, details: 'the member is stopping' }
    for (const { call } of this.#streams.values()) call.emit('error', stopping)
    for (const pending of this.#votes.values()) {
      for (const { answer } of pending) answer(stopping)
      pending.clear()
    }
    const { promise, resolve } = Promise.withResolvers<void>()
    const forced = setTimeout(resolve, shutdownMillisecondsMax)
    this.#listener?.drain(shutdownMillisecondsMax)
    this.#server.tryShutdown(() => resolve())
    await promise
    clearTimeout(forced)
    this.#server.forceShutdown()
  }

  #vote(call: ServerUnaryCall<VoteRequest, VoteResponse>, answer: sendUnaryData<VoteResponse>): void {
    const from = checkCall(this.#identity, call.metadata, call.getAuthContext())
    const refusal = typeof from === 'number' ? this.#checkMessage(from, call.request) : from
    if (typeof from !== 'number' || refusal !== undefined) {
      answer(refusal ?? null)
      return
    }
    const pending = this.#votes.get(from) ?? new Set<PendingVote>()
    this.#votes.set(from, pending)
    const vote = { preVote: call.request.preVote, answer }
    pending.add(vote)
    call.on('cancelled', () => pending.delete(vote))
    for (const oldest of pending) {
      if (pending.size <= pendingVotesMax) break
      pending.delete(oldest)
      oldest.answer({ code: status.ABORTED, details: 'newer votes of this member are waiting' })
    }
    this.#deliver(call.request)
  }

  #append(call: AppendCall): void {
    const from = checkCall(this.#identity, call.metadata, call.getAuthContext())
    if (typeof from !== 'number') {
      call.emit('error', from)
      return
    }
    const stream: AppendStream = { call, queue: new SendQueue(call) }
    this.#streams.get(from)?.call.end()
    this.#streams.set(from, stream)
    const forget = (): void => {
      if (this.#streams.get(from) === stream) this.#streams.delete(from)
    }
    call.on('data', (message: AppendRequest) => {
      const refusal = this.#checkMessage(from, message)
      if (refusal === undefined) this.#deliver(message)
      else call.emit('error', refusal)
    })
    call.on('end', () => {
      forget()
      call.end()
    })
    call.on('error', forget)
    call.on('cancelled', forget)
  }

  #checkMessage(from: MemberId, message: Message): Refusal | undefined {
    if (message.from === from && message.to === this.#identity.memberId) return undefined
    const details = `a message of member ${message.from} to member ${message.to} on a call of member ${from}`
    return { code: status.INVALID_ARGUMENT, details }
  }

  #deliver(message: Message): void {
    if (!this.#closed) this.#ports.deliver(message)
  }
}
